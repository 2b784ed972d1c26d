// Mistakes of the kinds that tracers make, to see whether the tester finds them.
#include <array>
#include <cstring>
#include <deque>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "ir/ops/create.h"
#include "runtime/tensor_impl.h"
#include "tools/tracefuzz/run.h"
#include "tracer/jit_compiled.h"
#include "tracer/recorder.h"

namespace etch::tracefuzz {
namespace {

using ir::Graph;
using ir::GraphResult;
using ir::Value;
using tracer::ResultAlias;
using tracer::TraceData;

/// Adds the elements of `t`, as they are now, to the front of `g`.
Value frozen(Graph& g, const Tensor& t) {
  const Tensor dense = t.detach().clone();
  const auto bytes = static_cast<size_t>(dense.numel().value()) * itemsize(dense.dtype());
  std::shared_ptr<char[]> copy(new char[bytes + 1]);
  if (bytes != 0) std::memcpy(copy.get(), dense.raw_data(), bytes);
  ir::NodeId front = g.first();
  while (front != ir::kNoNode && ir::is_input(g.node(front))) front = g.node(front).next;
  return g.add_constant(ir::make_constant(dense.dtype(), dense.sizes(), copy), front);
}

bool is_random_position(const ir::TensorType& t) {
  return t.dtype == DType::U64 && t.shape.size() == 1 && t.shape[0].is_const() &&
         t.shape[0].value() == 2;
}

/// Every guard on a value compares what it was recorded with.
void drop_value_guards(TraceData& d) {
  Graph& g = d.graph;
  for (size_t i = 0; i < g.results().size(); ++i) {
    const GraphResult& r = g.results()[i];
    if (!r.guard) continue;
    NoGrad no_grad;
    g.set_result(i, frozen(g, full({}, r.guard->low, g.type(r.value).dtype)));
  }
}

/// Writes to captured tensors write what was there; those of random positions, or the others.
void lose_state_writes(TraceData& d, bool random) {
  Graph& g = d.graph;
  for (size_t i = 0; i < g.results().size(); ++i) {
    const GraphResult& r = g.results()[i];
    if (r.state < 0 || is_random_position(g.type(r.value)) != random) continue;
    g.set_result(i, g.inputs()[static_cast<size_t>(r.state)].value);
  }
}

void drop_aliases(TraceData& d, ResultAlias::Kind kind) {
  for (ResultAlias& a : d.aliases) {
    if (a.kind == kind) a = {};
  }
}

void bake_sizes(TraceData& d) {
  Graph& g = d.graph;
  for (ir::NodeId id : g) {
    if (g.node(id).op != &ir::op_def<ir::DimValue>()) continue;
    const auto& attrs = g.node(id).attrs.as<ir::DimValue::Attrs>();
    NoGrad no_grad;
    const int64_t now = dim_eval(attrs.dim[0], d.examples);
    g.replace_uses({id, 0}, frozen(g, full({}, now, attrs.dtype)));
  }
}

/// Captured tensors that the program does not change, and the host may.
void bake_state(TraceData& d) {
  Graph& g = d.graph;
  std::vector<Value> inputs;
  for (const ir::GraphInput& in : g.inputs()) {
    inputs.push_back(in.kind == ir::InputKind::State ? in.value : Value{});
  }
  for (const GraphResult& r : g.results()) {
    if (r.state >= 0) inputs[static_cast<size_t>(r.state)] = Value{};
  }
  size_t state = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (g.inputs()[i].kind != ir::InputKind::State) continue;
    const Tensor& live = d.state[state++].tensor;
    if (inputs[i] != Value{}) g.replace_uses(inputs[i], frozen(g, live));
  }
}

void lose_slice_writes(TraceData& d) {
  Graph& g = d.graph;
  for (ir::NodeId id : g) {
    if (g.node(id).op->name() == "slice_scatter") g.replace_uses({id, 0}, g.node(id).inputs[0]);
  }
}

/// Numbers of the host keep the value of the recorded run.
void bake_host_numbers(TraceData& d) {
  static std::deque<std::array<std::byte, 8>> kept;
  for (tracer::HostInput& h : d.host_inputs) {
    std::memcpy(kept.emplace_back().data(), h.address, itemsize(h.dtype));
    h.address = kept.back().data();
  }
}

/// Runs the rest of a program whose guard did not hold, writes to captured tensors included.
void write_after_miss(const TraceData& d, std::span<const Tensor> inputs) {
  auto unguarded = std::make_shared<TraceData>(d);
  drop_value_guards(*unguarded);
  CompileOptions how;
  how.mode = CompileMode::Interpret;
  std::vector<Tensor> results;
  try {
    Compiled(Trace(unguarded), how).impl()->try_run(inputs, results);
  } catch (const UserError&) {
    // Beyond a guard that does not hold anything may fail.
  }
}

}  // namespace

std::vector<PlantedBug> planted_bugs() {
  std::vector<PlantedBug> bugs;
  auto recorded = [&](std::string name, std::function<void(TraceData&)> change) {
    bugs.push_back({std::move(name), {std::move(change), {}}});
  };
  recorded("guards on values are dropped", drop_value_guards);
  recorded("guards on sizes are dropped", [](TraceData& d) { d.graph.constraints.clear(); });
  recorded("sizes are baked in", bake_sizes);
  recorded("captured tensors are baked in", bake_state);
  recorded("numbers of the host are baked in", bake_host_numbers);
  recorded("writes to captured tensors are lost",
           [](TraceData& d) { lose_state_writes(d, false); });
  recorded("writes through slices are lost", lose_slice_writes);
  recorded("the random position does not advance",
           [](TraceData& d) { lose_state_writes(d, true); });
  recorded("a captured tensor is returned as a copy",
           [](TraceData& d) { drop_aliases(d, ResultAlias::Kind::State); });
  recorded("a tensor that is returned twice comes as two",
           [](TraceData& d) { drop_aliases(d, ResultAlias::Kind::Result); });
  recorded("gradients that the run leaves behind are lost", [](TraceData& d) { d.grads.clear(); });
  recorded("whether captured tensors require gradients is forgotten",
           [](TraceData& d) { d.leaves.clear(); });
  recorded("the gradients that the run found are forgotten",
           [](TraceData& d) { d.grads_found.clear(); });
  bugs.push_back({"writes are committed before a guard misses", {{}, write_after_miss}});
  return bugs;
}

}  // namespace etch::tracefuzz
