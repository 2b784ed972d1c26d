#include "runtime/program/program.h"

#include <algorithm>

#include "runtime/eager.h"
#include "runtime/program/context.h"

namespace etch::runtime {

Program Program::build(ir::Graph graph, const BuildOptions& options) {
  const ContractionLibrary* library = nullptr;
  if (options.level == Level::Fast) {
    library = contraction_library();
    if (library == nullptr && !options.vendor_optional) {
      throw UserError(cat("[program] level fast needs oneDNN: ", why_no_contraction_library(),
                          "\n  install libdnnl and build with ETCH_ONEDNN, or take level exact"),
                      ErrorKind::Unavailable);
    }
  }
  auto plan = make_plan(std::make_shared<const ir::Graph>(std::move(graph)), options.kernels,
                        library, options.pack_weights);
  if (options.strict) {
    each_step(*plan, [](const Step& s) {
      if (s.kind != StepKind::Kernel || (s.native && s.native->get() != nullptr)) return;
      std::string why = s.native ? s.native->refusal() : "";
      throw UserError(
          cat("[program] kernel '", s.name, "' has no machine code", why.empty() ? "" : ": ", why),
          ErrorKind::Unavailable);
    });
  }
  return Program(std::move(plan));
}

const ir::Graph& Program::graph() const { return *plan_->graph; }
std::span<const Port> Program::inputs() const { return plan_->inputs; }
std::span<const Port> Program::states() const { return plan_->states; }
std::span<const Port> Program::outputs() const { return plan_->outputs; }
std::span<const GuardPort> Program::guards() const { return plan_->guards; }
bool Program::writes_state() const { return !plan_->nexts.empty(); }

std::optional<SymbolBindings> Program::symbols_of(std::span<const Tensor> inputs) const {
  if (inputs.size() != plan_->inputs.size()) return std::nullopt;
  SymbolBindings symbols;
  auto known = [&](uint32_t s) {
    return std::find_if(symbols.begin(), symbols.end(), [&](const SymbolBinding& b) {
      return b.symbol.same_as(plan_->symbols[s].symbol);
    });
  };
  for (bool bound : {false, true}) {  // a size may name a symbol that a later input binds
    for (size_t i = 0; i < inputs.size(); ++i) {
      const TensorImpl& t = runtime::impl(inputs[i]);
      const std::vector<AxisRule>& rules = plan_->input_axes[i];
      if (t.dtype != plan_->inputs[i].type.dtype || t.sizes.size() != rules.size()) {
        return std::nullopt;
      }
      for (size_t axis = 0; axis < rules.size(); ++axis) {
        int64_t got = t.sizes[axis];
        uint32_t s = rules[axis].symbol;
        if (s == ~0u) {
          if (bound && dim_eval(rules[axis].expected, symbols) != got) return std::nullopt;
        } else if (auto at = known(s); at != symbols.end()) {
          if (at->value != got) return std::nullopt;
        } else {
          const ir::SymbolRange& r = plan_->symbols[s];
          if (got < r.low || got > r.high) return std::nullopt;
          symbols.push_back({r.symbol, got});
        }
      }
    }
  }
  return symbols;
}

int Program::check_constraints(std::span<const SymbolBinding> symbols) const {
  return ir::first_violated(plan_->graph->constraints, symbols);
}

ProgramStats Program::stats() const {
  ProgramStats out;
  each_step(*plan_, [&](const Step& s) {
    ++out.steps;
    out.kernels += s.kind == StepKind::Kernel;
    if (!s.native) return;
    out.native += s.native->get() != nullptr;
    out.refused += !s.native->refusal().empty();
  });
  out.native_runs = plan_->native_runs.load(std::memory_order_relaxed);
  out.interpreted_runs = plan_->interpreted_runs.load(std::memory_order_relaxed);
  out.vendor_runs = plan_->vendor_runs.load(std::memory_order_relaxed);
  out.packed_bytes = plan_->packed.bytes();
  return out;
}

namespace {

Context::Impl& checked(const Context& context, const std::shared_ptr<const Plan>& plan) {
  if (context.impl().plan != plan) {
    fail("run", "the Context was made for another program", "Make one with Context(program)");
  }
  return context.impl();
}

}  // namespace

void Program::bind(const State& state, Context& context, std::span<const InputView> inputs) const {
  Context::Impl& c = checked(context, plan_);
  Busy guard(c.busy);
  State::Use use(state, false);
  c.bind(state, inputs);
}

void Program::run(State& state, Context& context, std::span<const InputView> inputs,
                  std::span<const OutputView> outputs) const {
  require(checked(context, plan_).run(state, writes_state() ? &state : nullptr, inputs, outputs));
}

void Program::run(const State& state, Context& context, std::span<const InputView> inputs,
                  std::span<const OutputView> outputs) const {
  if (writes_state()) fail("run", "the program writes its State, which is read-only here");
  require(checked(context, plan_).run(state, nullptr, inputs, outputs));
}

void Program::require(const std::optional<GuardMiss>& miss) const {
  if (!miss) return;
  const GuardPort& g = plan_->guards[miss->guard];
  std::string held =
      g.range.low == g.range.high ? cat(g.range.low) : cat(g.range.low, " to ", g.range.high);
  fail("run",
       cat("the program was recorded with ", g.name, " = ", held, ", now it is ", miss->value),
       "Record the other course too: jit() does, cond() keeps both in one graph",
       {g.loc.file.c_str(), g.loc.line});
}

std::optional<GuardMiss> Program::run_tensors(const State& state, State* writable, Context& context,
                                              std::span<const Tensor> inputs,
                                              std::vector<Tensor>& results) const {
  std::vector<InputView> in;
  for (const Tensor& t : inputs) {
    require_defined(t, "run");
    const TensorImpl& i = runtime::impl(t);
    in.push_back({i.data, i.dtype, i.sizes, i.strides});
  }
  bind(state, context, in);
  std::vector<Tensor> out;
  std::vector<OutputView> views;
  for (size_t i = 0; i < outputs().size(); ++i) {
    out.emplace_back(new_tensor(outputs()[i].type.dtype, context.output_sizes(i)));
    views.push_back({runtime::impl(out.back()).data, context.output_bytes(i)});
  }
  std::optional<GuardMiss> miss = context.impl().run(state, writable, in, views);
  if (!miss) results = std::move(out);
  return miss;
}

std::optional<GuardMiss> Program::try_run(State& state, Context& context,
                                          std::span<const Tensor> inputs,
                                          std::vector<Tensor>& results) const {
  return run_tensors(state, writes_state() ? &state : nullptr, context, inputs, results);
}

std::vector<Tensor> Program::run(State& state, Context& context,
                                 std::span<const Tensor> inputs) const {
  std::vector<Tensor> out;
  require(try_run(state, context, inputs, out));
  return out;
}

std::vector<Tensor> Program::run(const State& state, Context& context,
                                 std::span<const Tensor> inputs) const {
  if (writes_state()) fail("run", "the program writes its State, which is read-only here");
  std::vector<Tensor> out;
  require(run_tensors(state, nullptr, context, inputs, out));
  return out;
}

std::vector<Tensor> Program::run(Context& context, std::span<const Tensor> inputs) const {
  const State none;
  return run(none, context, inputs);
}

}  // namespace etch::runtime
