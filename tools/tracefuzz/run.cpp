#include "tools/tracefuzz/run.h"

#include <cstring>

#include "etch/autograd.h"
#include "ir/graph.h"
#include "runtime/tensor_impl.h"
#include "tools/tracefuzz/interpret.h"
#include "tracer/check.h"

namespace etch::tracefuzz {
namespace {

/// What one call gave.
struct Outcome {
  std::vector<Tensor> results;
  std::string error;  // of a UserError
};

/// A world with the arguments and results of its calls.
struct Side {
  Side(const Program& p, bool jitted) : world(p, jitted) {}
  World world;
  std::vector<Tensor> inputs;
  std::vector<Tensor> earlier;  // results of the last calls
};

Tensor fresh(const InputSpec& in) {
  std::vector<int64_t> sizes = in.sizes;
  Layout layout = sizes.empty() ? Layout::Dense : in.layout;
  if (layout == Layout::Transposed && sizes.size() < 2) layout = Layout::Strided;
  if (layout == Layout::Transposed) std::swap(sizes[0], sizes[1]);
  if (layout == Layout::Strided) sizes.back() *= 2;
  if (layout == Layout::Expanded) sizes[0] = 1;
  Tensor t = draw_tensor(in.dtype, sizes, in.seed, in.scale);
  if (layout == Layout::Transposed) t = t.transpose(0, 1);
  if (layout == Layout::Strided) t = t.slice(-1, 0, INT64_MAX, 2);
  if (layout == Layout::Expanded) t = t.expand(in.sizes);
  return t;
}

std::vector<Tensor> make_inputs(const CallSpec& c, Side& side) {
  std::vector<Tensor> out;
  for (const InputSpec& in : c.inputs) {
    Tensor t;
    if (in.kind == InputKind::Same && !out.empty()) t = out[in.index % out.size()];
    if (in.kind == InputKind::Overlap && !out.empty()) {
      t = out[in.index % out.size()];
      t = t.dim() == 0 ? t.unsqueeze(0) : t.slice(0, static_cast<int64_t>(in.seed % 2), INT64_MAX);
    }
    if (in.kind == InputKind::State && !side.world.states.empty()) {
      t = side.world.states[in.index % side.world.states.size()];
    }
    if (in.kind == InputKind::Result && !side.earlier.empty()) {
      t = side.earlier[in.index % side.earlier.size()];
    }
    if (!t.defined()) {
      t = fresh(in);
      if (in.requires_grad) t.requires_grad_();
    }
    out.push_back(t);
  }
  return out;
}

template <class F>
Outcome attempt(F&& f) {
  Outcome out;
  try {
    out.results = f();
  } catch (const UserError& e) {
    out.error = e.what();
    if (out.error.empty()) out.error = "an error";
  }
  return out;
}

void act(const Action& a, Side& side) {
  World& w = side.world;
  NoGrad no_grad;
  Tensor state = w.states.empty() ? Tensor() : w.states[a.index % w.states.size()];
  switch (a.kind) {
    case ActionKind::WriteState:
      if (!w.pointers.empty() && state.is_contiguous()) {
        Tensor value = full(state.shape(), a.value, state.dtype());
        const size_t bytes = static_cast<size_t>(value.numel().value()) * itemsize(value.dtype());
        if (bytes != 0) std::memcpy(w.pointers[a.index % w.states.size()], value.raw_data(), bytes);
      } else if (state.defined()) {
        state.add_(scalar_tensor(a.value, DType::F32));
      }
      break;
    case ActionKind::ClearGrads:
      for (Tensor& t : w.states) t.set_grad(Tensor());
      break;
    case ActionKind::ToggleGrad:
      if (state.defined() && is_float(state.dtype())) {
        attempt([&] { return std::vector<Tensor>{state.requires_grad_(!state.requires_grad())}; });
      }
      break;
    case ActionKind::WriteResult:
      if (!side.earlier.empty()) {
        side.earlier[a.index % side.earlier.size()].fill_(a.value);
      }
      break;
    case ActionKind::Reseed:
      w.rng.seed(static_cast<uint64_t>(a.value + 5));
      break;
  }
}

std::optional<std::string> differ(const std::string& what, const Tensor& want, const Tensor& got) {
  if (want.defined() != got.defined()) {
    return cat(what, want.defined() ? " is missing" : " should not be there");
  }
  if (!want.defined()) return std::nullopt;
  const int64_t at = tracer::first_difference(want, got);
  if (at < 0) return std::nullopt;
  return cat(what, " differs at element ", at, ": eager ", to_string(want), ", here ",
             to_string(got));
}

bool share(const Tensor& a, const Tensor& b) {
  return a.numel() != 0 && runtime::impl(a).storage == runtime::impl(b).storage;
}

/// What each result lies on: earlier results, inputs, captured tensors.
std::string sharing(const std::vector<Tensor>& results, const Side& side) {
  std::string out;
  for (size_t i = 0; i < results.size(); ++i) {
    auto look = [&](std::string_view what, std::span<const Tensor> others) {
      for (size_t k = 0; k < others.size(); ++k) {
        if (share(results[i], others[k])) out += cat(" result ", i, " on ", what, ' ', k);
      }
    };
    look("result", {results.data(), i});
    look("input", side.inputs);
    look("captured tensor", side.world.states);
  }
  return out.empty() ? " nothing" : out;
}

class Runner {
 public:
  Runner(const Program& p, Counts& counts)
      : p_(p), counts_(counts), eager_(p, false), other_(p, !p.traced) {}

  std::optional<std::string> run() {
    compile_.mode = p_.interpreted ? CompileMode::Interpret : CompileMode::Sync;
    compile_.tier = 0;
    for (size_t i = 0; i < p_.inputs; ++i) names_.push_back(cat("x", i));
    if (!p_.traced) jit_.emplace(function(other_.world), names_, TraceOptions{}, compile_);
    std::optional<std::string> found;
    for (size_t i = 0; i < p_.calls.size() && !found; ++i) {
      found = call(i);
      if (found) *found = cat("call ", i, ": ", *found);
      if (counts_.refused) return std::nullopt;
    }
    count();
    return found;
  }

 private:
  FlatFunction function(World& w) {
    return [this, &w](std::span<const Tensor> in) { return interpret(p_, w, in); };
  }

  static void prepare(const CallSpec& c, size_t index, Side& side) {
    side.world.rate = c.rate;
    side.world.steps = c.steps;
    side.world.counter = static_cast<double>(index + 1);
    for (const Action& a : c.actions) act(a, side);
    side.inputs = make_inputs(c, side);
  }

  std::optional<std::string> call(size_t index) {
    const CallSpec& c = p_.calls[index];
    prepare(c, index, eager_);
    prepare(c, index, other_);
    std::optional<NoGrad> no_grad;
    if (c.no_grad) no_grad.emplace();
    Outcome want = attempt([&] { return plain(eager_); });
    Outcome got = p_.traced ? call_traced(index) : attempt([&] { return (*jit_)(other_.inputs); });
    if (counts_.refused) return std::nullopt;
    ++counts_.calls;
    counts_.errors += !want.error.empty();
    if (auto d = compare(want, got)) return d;
    for (size_t i = 0; i < want.results.size(); ++i) {
      // A program's results are dense, and a traced one's are copies.
      Tensor &a = want.results[i], &b = got.results[i];
      const bool same = !p_.traced && a.is_contiguous() && b.is_contiguous();
      eager_.earlier.push_back(same ? a : a.detach().clone());
      other_.earlier.push_back(same ? b : b.detach().clone());
    }
    for (Side* s : {&eager_, &other_}) {
      if (s->earlier.size() > 6) s->earlier.erase(s->earlier.begin(), s->earlier.end() - 6);
    }
    return std::nullopt;
  }

  std::vector<Tensor> plain(Side& s) {
    std::vector<Tensor> out;
    for (NamedTensor& t : interpret(p_, s.world, s.inputs)) out.push_back(t.tensor);
    return out;
  }

  /// The first call traces; a call that the program refuses runs for real.
  Outcome call_traced(size_t index) {
    World& w = other_.world;
    if (index == 0) {
      try {
        std::vector<NamedTensor> in;
        for (size_t i = 0; i < p_.inputs; ++i) in.push_back({names_[i], other_.inputs[i]});
        Trace t = trace_flat(function(w), in, trace_options());
        host_inputs_ = {t.example_inputs().begin() + static_cast<ptrdiff_t>(p_.inputs),
                        t.example_inputs().end()};
        compiled_ = Compiled(t, compile_);
        return {t.example_results(), ""};
      } catch (const UserError& e) {
        counts_.refused = true;
        counts_.eager_because = e.what();
        return {};
      }
    }
    std::vector<Tensor> in = other_.inputs;
    for (const NamedTensor& h : host_inputs_) {
      in.push_back(h.name == "rate" ? scalar_tensor(w.rate, DType::F64)
                                    : scalar_tensor(w.steps, DType::I64));
    }
    Outcome out = attempt([&] { return compiled_(in); });
    if (out.error.empty()) return out;
    ++counts_.guarded_refusals;
    return attempt([&] { return plain(other_); });
  }

  TraceOptions trace_options() {
    TraceOptions o;
    for (size_t i = 0; i < p_.states.size(); ++i) {
      o.state.push_back({cat("s", i), other_.world.states[i]});
    }
    o.state.push_back({"rng", other_.world.rng.state()});
    if (!p_.sizes_change) return o;
    for (size_t i = 0; i < p_.inputs; ++i) {
      std::span<const int64_t> sizes = other_.inputs[i].sizes();
      for (size_t k = 0; k < sizes.size(); ++k) {
        if (sizes[k] < 4) continue;
        o.dynamic.push_back({names_[i], static_cast<int64_t>(k), sizes[k] < 6 ? "N" : "M"});
      }
    }
    return o;
  }

  std::optional<std::string> compare(const Outcome& want, const Outcome& got) {
    if (want.error.empty() != got.error.empty()) {
      return want.error.empty() ? cat("an error that eager does not raise: ", got.error)
                                : cat("no error, eager raises: ", want.error);
    }
    if (want.results.size() != got.results.size()) {
      return cat("eager returns ", want.results.size(), " results, this one ", got.results.size());
    }
    for (size_t i = 0; i < want.results.size(); ++i) {
      if (auto d = differ(cat("result ", i), want.results[i], got.results[i])) return d;
      if (!p_.traced && want.results[i].requires_grad() != got.results[i].requires_grad()) {
        return cat("result ", i, " and gradients: eager ", want.results[i].requires_grad());
      }
    }
    const std::string shared = sharing(want.results, eager_),
                      shared_here = sharing(got.results, other_);
    if (!p_.traced && shared != shared_here) {
      return cat("what shares memory: eager", shared, ", here", shared_here);
    }
    for (size_t i = 0; i < p_.states.size(); ++i) {
      const Tensor &a = eager_.world.states[i], &b = other_.world.states[i];
      if (auto d = differ(cat("captured tensor ", i), a, b)) return d;
      if (auto d = differ(cat("the buffer under captured tensor ", i), eager_.world.holders[i],
                          other_.world.holders[i])) {
        return d;
      }
      if (p_.traced) continue;
      if (auto d = differ(cat("the gradient of captured tensor ", i), a.grad(), b.grad())) return d;
    }
    for (size_t i = 0; i < p_.inputs; ++i) {
      const Tensor &a = eager_.inputs[i], &b = other_.inputs[i];
      if (auto d = differ(cat("input ", i, " afterwards"), a, b)) return d;
      if (auto d = differ(cat("the gradient of input ", i), a.grad(), b.grad())) return d;
    }
    if (auto d =
            differ("the random position", eager_.world.rng.state(), other_.world.rng.state())) {
      return d;
    }
    for (size_t i = 0; i < eager_.earlier.size(); ++i) {
      if (auto d = differ("an earlier result", eager_.earlier[i], other_.earlier[i])) return d;
    }
    return std::nullopt;
  }

  void count() {
    counts_.features |= other_.world.features;
    CompiledStats s;
    const ir::Graph* g = nullptr;
    Compiled program;
    if (p_.traced) {
      s = compiled_.stats();
      program = compiled_;
      counts_.leaves = 1;
    } else {
      JitStats j = jit_->stats();
      counts_.replays = j.replays;
      counts_.misses = j.misses;
      counts_.leaves = j.leaves;
      counts_.eager_because = j.eager_because;
      s = j;
      if (j.compiled > 0) program = jit_->program();
    }
    counts_.kernels_run = s.kernels_run;
    counts_.interpreted_run = s.interpreted_run;
    counts_.fallbacks = s.fallbacks;
    if (!program.impl()) return;
    counts_.compiled = true;
    g = &program.trace().graph();
    for (const ir::GraphResult& r : g->results()) {
      counts_.value_guards |= r.guard.has_value();
      counts_.writes |= r.state >= 0;
    }
    counts_.size_guards = !g->constraints.empty();
    counts_.symbols = !g->symbols.empty();
  }

  const Program& p_;
  Counts& counts_;
  Side eager_, other_;
  CompileOptions compile_;
  std::vector<std::string> names_;
  std::optional<Jit> jit_;
  Compiled compiled_;
  std::vector<NamedTensor> host_inputs_;
};

}  // namespace

std::optional<std::string> run(const Program& p, Counts& counts) {
  try {
    return Runner(p, counts).run();
  } catch (const std::exception& e) {
    return cat("an exception: ", e.what());
  }
}

}  // namespace etch::tracefuzz
