#include "runtime/program/evaluator.h"

#include <algorithm>

#include "runtime/allocator.h"
#include "runtime/program/plan.h"

namespace etch::runtime {
namespace {

/// The same computation without State: every input and result is the caller's.
ir::Graph without_state(const ir::Graph& g) {
  ir::Graph out;
  out.symbols = g.symbols;
  std::vector<ir::Value> operands;
  for (const ir::GraphInput& in : g.inputs()) {
    operands.push_back(out.add_input(in.name, g.type(in.value)));
  }
  std::vector<ir::Value> results = ir::inline_graph(out, g, operands);
  for (size_t i = 0; i < results.size(); ++i) out.add_result(results[i], g.results()[i].name);
  return out;
}

bool has_state(const ir::Graph& g) {
  return std::any_of(g.inputs().begin(), g.inputs().end(),
                     [](const ir::GraphInput& in) { return in.kind == ir::InputKind::State; });
}

}  // namespace

std::vector<std::shared_ptr<const ir::Constant>> ProgramEvaluator::evaluate(
    const ir::Graph& g, std::span<const std::shared_ptr<const ir::Constant>> inputs,
    size_t budget_bytes) {
  Program program = Program::build(has_state(g) ? without_state(g) : g,
                                   {.kernels = kernels_, .pack_weights = false});
  Context context(program);
  const State none;
  std::vector<InputView> in;
  for (const auto& c : inputs) in.push_back({c->data.get(), c->dtype, c->sizes, {}});
  program.bind(none, context, in);
  size_t bytes = context.arena_bytes();
  for (size_t i = 0; i < program.outputs().size(); ++i) bytes += context.output_bytes(i);
  if (bytes > budget_bytes) {
    fail("evaluate", cat("the values would take ", bytes, " bytes, the budget is ", budget_bytes),
         "Raise the budget, or leave the computation to run time");
  }
  std::vector<std::shared_ptr<void>> memory;
  std::vector<OutputView> out;
  for (size_t i = 0; i < program.outputs().size(); ++i) {
    size_t size = context.output_bytes(i);
    memory.emplace_back(allocate(size), [size](void* p) { deallocate(p, size); });
    out.push_back({memory.back().get(), size});
  }
  program.run(none, context, in, out);
  std::vector<std::shared_ptr<const ir::Constant>> results;
  for (size_t i = 0; i < memory.size(); ++i) {
    results.push_back(ir::make_constant(program.outputs()[i].type.dtype, context.output_sizes(i),
                                        std::move(memory[i])));
  }
  return results;
}

}  // namespace etch::runtime
