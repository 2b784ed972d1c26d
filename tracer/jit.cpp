#include "etch/jit.h"

#include <algorithm>
#include <mutex>

#include "etch/autograd.h"
#include "runtime/eager.h"
#include "runtime/tensor_impl.h"
#include "tracer/align.h"
#include "tracer/jit_compiled.h"
#include "tracer/jit_sizes.h"
#include "tracer/plant.h"

namespace etch {

using tracer::TraceData;

namespace {

thread_local int no_retrace = 0;

/// A guard that compares one integer must not grow a leaf for each of its values.
constexpr size_t kMostValuesOfOneGuard = 8;

std::string place(const ir::GraphLoc& l) {
  return l.line == 0 ? "" : cat(" (", to_text(SourceLoc(l.file.c_str(), l.line)), ")");
}

bool share(const Tensor& a, const Tensor& b) {
  return runtime::impl(a).storage == runtime::impl(b).storage;
}

std::string text(const ir::GuardRange& r) {
  return r.low == r.high ? cat(r.low) : cat(r.low, " to ", r.high);
}

}  // namespace

NoRetrace::NoRetrace() { ++no_retrace; }
NoRetrace::~NoRetrace() { --no_retrace; }

/// One course that the function took.
struct Leaf {
  std::shared_ptr<const TraceData> data;
  std::vector<ir::Value> inputs;               // the caller's, in the graph
  std::vector<const ir::GraphResult*> guards;  // on values, in the order of the run
  std::vector<bool> requires_grad;             // of the inputs
  std::vector<bool> contiguous;                // of the inputs
  /// Inputs with gradients are the caller's handles, which the function may have captured too: such
  /// a leaf answers for these very tensors until a run with another one came out alike.
  std::vector<Tensor> bound;
  bool grad_enabled = true;
  std::shared_ptr<Compiled::Impl> program;  // null until a second run has confirmed the first
};

/// What guards came out as in a replay that was given up: the way to another leaf.
struct Path {
  struct Step {
    const ir::GraphResult* guard;
    ir::GraphLoc loc;
    int64_t value;
  };
  std::vector<Step> steps;

  bool leads_to(const Leaf& leaf) const {
    if (steps.size() > leaf.guards.size()) return false;
    for (size_t i = 0; i < steps.size(); ++i) {
      const ir::GraphResult& g = *leaf.guards[i];
      const ir::GraphLoc& at = leaf.data->graph.loc(g.loc);
      if (g.name != steps[i].guard->name || at.line != steps[i].loc.line ||
          at.file != steps[i].loc.file || steps[i].value < g.guard->low ||
          steps[i].value > g.guard->high) {
        return false;
      }
    }
    return true;
  }
};

struct Jit::Impl {
  using Inputs = std::span<const Tensor>;

  std::vector<Tensor> call(Inputs inputs, SourceLoc loc);
  bool replay(Inputs inputs, std::vector<Tensor>& results);
  bool replay_leaf(const Leaf& leaf, Inputs inputs, Path& path, std::vector<Tensor>& results);
  std::vector<Tensor> run_eagerly(Inputs inputs);
  std::vector<Tensor> record(Inputs inputs);
  void keep(TraceData data, Leaf leaf);
  bool same_setting(const Leaf& a, const Leaf& b) const;
  size_t values_at_guard(const Leaf& fresh, std::string& guard) const;
  std::string misfit(const Leaf& leaf, Inputs inputs) const;
  std::string setting_misfit(const Leaf& leaf, Inputs inputs) const;
  void stay_eager(const std::string& reason);
  void to_front(size_t index) {
    std::rotate(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(index),
                leaves.begin() + static_cast<std::ptrdiff_t>(index) + 1);
  }
  void tell(JitEventKind kind, const std::string& reason) const {
    if (options.on_event) options.on_event({kind, reason});
  }

  FlatFunction f;
  std::vector<std::string> names;
  TraceOptions trace;
  CompileOptions compile;
  JitOptions options;
  mutable std::mutex mutex;
  std::vector<Leaf> leaves;  // the last one that answered comes first
  tracer::SizeHistory sizes;
  std::string last_miss = "nothing was recorded yet";
  JitStats counts;
};

/// What differs from when a leaf was recorded, sizes and types apart: gradients, switches of the
/// host, what shares memory with what. "" when nothing does.
std::string Jit::Impl::setting_misfit(const Leaf& leaf, Inputs inputs) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (leaf.bound[i].defined() && !share(leaf.bound[i], inputs[i])) {
      return cat("input ", names[i], ", which requires a gradient, was one tensor so far");
    }
  }
  if (grad_enabled() != leaf.grad_enabled) {
    return cat("gradients were switched ", leaf.grad_enabled ? "on" : "off");
  }
  for (const tracer::HostFlag& flag : leaf.data->flags) {
    if (!flag.holds()) return cat(flag.what, " was ", flag.value ? "on" : "off");
  }
  for (const tracer::LeafSeen& s : leaf.data->leaves) {
    if (s.tensor.requires_grad() == s.requires_grad) continue;
    return cat("a captured tensor ", s.requires_grad ? "required" : "did not require",
               " a gradient");
  }
  for (const TraceData::GradFound& found : leaf.data->grads_found) {
    const Tensor& t = found.input < 0 ? found.leaf : inputs[static_cast<size_t>(found.input)];
    if (t.grad().impl() != found.grad.impl()) {
      return cat("a tensor held ", found.grad.defined() ? "another" : "no",
                 " gradient before the call");
    }
  }
  for (size_t k = 0; leaf.program && k < leaf.program->written.size(); ++k) {
    const Tensor& w = leaf.program->trace.state()[leaf.program->written[k]].tensor;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!share(w, inputs[i])) continue;
      return cat("input ", names[i], " shares memory with a captured tensor that is changed");
    }
  }
  return "";
}

/// Why a leaf cannot answer this call, or "".
std::string Jit::Impl::misfit(const Leaf& leaf, Inputs inputs) const {
  const ir::Graph& g = leaf.data->graph;
  SymbolBindings sizes_now;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const runtime::TensorImpl& t = runtime::impl(inputs[i]);
    const ir::TensorType& want = g.type(leaf.inputs[i]);
    if (t.dtype != want.dtype || t.sizes.size() != want.shape.size()) {
      return cat("input ", names[i], " was ", want, ", is ", runtime::type_of(t));
    }
    for (size_t k = 0; k < t.sizes.size(); ++k) {
      int64_t expected = t.sizes[k];
      if (want.shape[k].is_const()) {
        expected = want.shape[k].value();
      } else {
        auto known = std::find_if(sizes_now.begin(), sizes_now.end(), [&](const SymbolBinding& b) {
          return b.symbol.same_as(want.shape[k]);
        });
        if (known != sizes_now.end()) expected = known->value;
        if (known == sizes_now.end()) sizes_now.push_back({want.shape[k], expected});
      }
      if (expected != t.sizes[k]) {
        return cat("axis ", k, " of input ", names[i], " was ", want.shape[k],
                   want.shape[k].is_const() ? "" : cat(" = ", expected), ", is ", t.sizes[k]);
      }
    }
    if (t.contiguous != leaf.contiguous[i]) {
      return cat("input ", names[i], leaf.contiguous[i] ? " was" : " was not", " contiguous");
    }
    if (inputs[i].requires_grad() != leaf.requires_grad[i]) {
      return cat("input ", names[i], leaf.requires_grad[i] ? " required" : " did not require",
                 " a gradient");
    }
  }
  if (std::string why = setting_misfit(leaf, inputs); !why.empty()) return why;
  for (const ir::SymbolRange& r : g.symbols) {
    for (const SymbolBinding& b : sizes_now) {
      if (!b.symbol.same_as(r.symbol) || (b.value >= r.low && b.value <= r.high)) continue;
      return cat(b.symbol, " = ", b.value, " is outside ", r.low, " to ", r.high);
    }
  }
  const int violated = ir::first_violated(g.constraints, sizes_now);
  if (violated < 0) return "";
  const ir::Constraint& c = g.constraints[static_cast<size_t>(violated)];
  std::string now;
  for (const SymbolBinding& b : sizes_now) {
    now += cat(now.empty() ? "" : ", ", b.symbol, " = ", b.value);
  }
  return cat("the course was taken because ", c.lhs, " ", c.relation, " ", c.rhs,
             place(g.loc(c.loc)), ", now ", now);
}

/// Runs one leaf. On a guard that does not hold, `path` is what the guards up to it came out as.
bool Jit::Impl::replay_leaf(const Leaf& leaf, Inputs inputs, Path& path,
                            std::vector<Tensor>& results) {
  const TraceData& d = *leaf.data;
  std::vector<Tensor> all(inputs.begin(), inputs.end());
  for (const tracer::HostInput& h : d.host_inputs)
    all.push_back(from_bytes(h.address, {}, h.dtype));
  std::optional<runtime::GuardMiss> miss;
  try {
    miss = leaf.program->try_run(all, results);
  } catch (const UserError& e) {
    // Beyond a guard that would not hold anything may fail, and what the function does before an
    // error stays done: the real run tells.
    if (no_retrace > 0 && leaf.guards.empty()) throw;
    last_miss = e.what();
    path.steps.clear();
    return false;
  }
  if (miss) {
    if (const tracer::Plant* p = tracer::plant(); p != nullptr && p->missed) p->missed(d, all);
    ++counts.misses;
    path.steps.clear();
    for (size_t i = 0; i <= miss->guard; ++i) {
      path.steps.push_back({leaf.guards[i], d.graph.loc(leaf.guards[i]->loc),
                            leaf.program->context->guard_value(i)});
    }
    const ir::GraphResult& g = *leaf.guards[miss->guard];
    last_miss =
        cat(g.name, place(d.graph.loc(g.loc)), " was ", text(*g.guard), ", is ", miss->value);
    tell(JitEventKind::Missed, last_miss);
    return false;
  }
  for (const TraceData::GradLeft& left : d.grads) {
    Tensor p = left.input < 0 ? left.leaf : inputs[static_cast<size_t>(left.input)];
    p.set_grad(left.output < 0 ? Tensor() : results[static_cast<size_t>(left.output)]);
  }
  results.resize(d.aliases.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const tracer::ResultAlias& a = d.aliases[i];
    if (a.kind == tracer::ResultAlias::Kind::Input) results[i] = inputs[a.index];
    if (a.kind == tracer::ResultAlias::Kind::State) {
      results[i] = leaf.program->trace.state()[a.index].tensor;
    }
    if (a.kind == tracer::ResultAlias::Kind::Result) results[i] = results[a.index];
    if (a.detached) results[i] = results[i].detach();
  }
  return true;
}

/// Looks for a compiled leaf that answers; each one tried that does not tells more of the way.
bool Jit::Impl::replay(Inputs inputs, std::vector<Tensor>& results) {
  Path path;
  std::vector<bool> tried(leaves.size());
  std::string reason;
  for (size_t i = 0; i < leaves.size();) {
    const Leaf& leaf = leaves[i];
    if (tried[i] || !path.leads_to(leaf)) {
      ++i;
      continue;
    }
    tried[i] = true;
    std::string why = misfit(leaf, inputs);
    if (why.empty() && !leaf.program) why = "its course was seen once; a second run confirms it";
    if (!why.empty()) {
      if (reason.empty()) reason = std::move(why);
      ++i;
      continue;
    }
    if (replay_leaf(leaf, inputs, path, results)) {
      to_front(i);
      return true;
    }
    if (path.steps.empty()) return false;
    reason = last_miss;
    i = 0;
  }
  if (!leaves.empty()) last_miss = reason;
  return false;
}

std::vector<Tensor> Jit::Impl::run_eagerly(Inputs inputs) {
  std::vector<Tensor> out;
  for (NamedTensor& r : f(inputs)) out.push_back(std::move(r.tensor));
  return out;
}

void Jit::Impl::stay_eager(const std::string& reason) {
  counts.eager_because = reason;
  leaves.clear();
  tell(JitEventKind::Eager, reason);
}

bool Jit::Impl::same_setting(const Leaf& a, const Leaf& b) const {
  for (const tracer::HostFlag& flag : a.data->flags) {
    if (!flag.holds()) return false;
  }
  const TraceData &c = *a.data, &d = *b.data;
  for (const tracer::LeafSeen& s : c.leaves) {
    for (const tracer::LeafSeen& o : d.leaves) {
      if (o.tensor.impl() == s.tensor.impl() && o.requires_grad != s.requires_grad) return false;
    }
  }
  for (const TraceData::GradFound& g : c.grads_found) {
    for (const TraceData::GradFound& h : d.grads_found) {
      if (g.leaf.impl() == h.leaf.impl() && g.grad.defined() != h.grad.defined()) return false;
    }
  }
  return a.contiguous == b.contiguous && a.grad_enabled == b.grad_enabled &&
         a.requires_grad == b.requires_grad && tracer::same_signature(c, d);
}

/// How many leaves part from `fresh` where the host asks for an integer, which came out differently
/// each time; `guard` is where the last of them parts.
size_t Jit::Impl::values_at_guard(const Leaf& fresh, std::string& guard) const {
  const TraceData& d = *fresh.data;
  size_t count = 0;
  for (const Leaf& other : leaves) {
    if (!same_setting(other, fresh)) continue;
    const int at = tracer::align(*other.data, d).parted_at;
    if (at < 0 || static_cast<size_t>(at) >= d.guards.size()) continue;
    const tracer::TraceGuard& g = d.guards[static_cast<size_t>(at)];
    const bool fixes_size = g.on_sizes() && g.relation == Relation::Equal;
    const bool fixes_value =
        !g.on_sizes() &&
        !is_bool(d.graph.type(d.graph.results()[static_cast<size_t>(g.result)].value).dtype);
    count += fixes_size || fixes_value;
    guard = cat(g.what, place(g.loc));
  }
  return count;
}

/// Joins a recording to what is kept: it confirms a leaf, becomes one, or ends jitting.
void Jit::Impl::keep(TraceData data, Leaf fresh) {
  if (!data.refusal.empty()) {
    if (!data.refused_once) return stay_eager(data.refusal);
    last_miss = data.refusal;
    return;
  }
  for (const ir::GraphInput& in : data.graph.inputs()) {
    if (in.kind == ir::InputKind::Input) fresh.inputs.push_back(in.value);
  }
  data.inputs.clear();  // only their sizes matter from here on
  data.results.clear();
  fresh.data = std::make_shared<const TraceData>(std::move(data));
  for (const ir::GraphResult& r : fresh.data->graph.results()) {
    if (r.guard) fresh.guards.push_back(&r);
  }
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!same_setting(leaves[i], fresh)) continue;
    tracer::Alignment a = tracer::align(*leaves[i].data, *fresh.data);
    if (a.difference) {
      return stay_eager(cat("two runs differ without a guard between them: ", *a.difference,
                            ". Numbers that change go through etch::input()"));
    }
    if (!a.same_course()) continue;
    for (size_t k = 0; k < fresh.bound.size(); ++k) {
      Tensor& bound = leaves[i].bound[k];
      if (bound.defined() && !share(bound, fresh.bound[k])) bound = Tensor();
    }
    if (!leaves[i].program) {
      try {
        leaves[i].program = Compiled(Trace(leaves[i].data), compile).impl();
      } catch (const UserError& e) {
        return stay_eager(e.what());
      }
      tell(JitEventKind::Recorded, "a second run confirmed a course, which is compiled now");
    }
    return to_front(i);
  }
  std::string guard = last_miss;
  if (values_at_guard(fresh, guard) >= kMostValuesOfOneGuard) {
    return stay_eager(cat("a raw integer differs from call to call: ", guard,
                          ". Keep it a Traced number, a Dim or a tensor"));
  }
  if (leaves.size() >= options.budget) {
    return tell(JitEventKind::Budget,
                cat("all ", options.budget, " courses are taken; not kept is one by ", guard));
  }
  leaves.insert(leaves.begin(), std::move(fresh));
  tell(JitEventKind::Recorded, guard);
}

std::vector<Tensor> Jit::Impl::record(Inputs inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto same = [&](const Tensor& t) { return t.impl() == inputs[i].impl(); };
    if (!inputs[i].requires_grad() || std::none_of(inputs.begin(), inputs.begin() + i, same)) {
      continue;
    }
    ++counts.eager_calls;
    last_miss = cat("input ", names[i], ", which requires a gradient, is passed twice");
    return run_eagerly(inputs);
  }
  TraceOptions how = trace;
  for (DynamicDim& d : sizes.see(inputs, names)) {
    bool declared = std::any_of(how.dynamic.begin(), how.dynamic.end(), [&](const DynamicDim& o) {
      return o.input == d.input && o.axis == d.axis;
    });
    if (!declared) how.dynamic.push_back(std::move(d));
  }
  Leaf leaf;
  leaf.grad_enabled = grad_enabled();
  for (const Tensor& t : inputs) {
    leaf.requires_grad.push_back(t.requires_grad());
    leaf.contiguous.push_back(runtime::impl(t).contiguous);
    leaf.bound.push_back(t.requires_grad() ? t : Tensor());
  }
  tracer::GraphRecorder recorder(how, tracer::RecordMode::Jit);
  // Handles of the recording's own tell an input from a captured tensor on the same memory, and the
  // same tensor passed twice apart. Only a leaf has to be itself.
  std::vector<Tensor> own;
  for (const Tensor& t : inputs) {
    const runtime::TensorImpl& i = runtime::impl(t);
    own.push_back(t.requires_grad() ? t : Tensor(runtime::new_view(i, i.sizes, i.strides, i.data)));
  }
  std::vector<NamedTensor> results;
  {
    tracer::Recording recording(recorder);
    for (size_t i = 0; i < own.size(); ++i) recorder.add_input({names[i], own[i]});
    results = f(own);
  }
  ++counts.recordings;
  TraceData data = recorder.finish(results);
  std::vector<Tensor> out;
  for (NamedTensor& r : results) out.push_back(std::move(r.tensor));
  for (size_t i = 0; i < own.size(); ++i) {
    for (Tensor& t : out) {
      if (t.impl() == own[i].impl()) t = inputs[i];
    }
    if (leaf.requires_grad[i] || runtime::impl(own[i]).grad == nullptr) continue;
    Tensor(inputs[i]).requires_grad_(own[i].requires_grad()).set_grad(own[i].grad());
    data.refusal = cat("requires_grad_() is called on input ", names[i]);
  }
  keep(std::move(data), std::move(leaf));
  return out;
}

std::vector<Tensor> Jit::Impl::call(Inputs inputs, SourceLoc loc) {
  if (inputs.size() != names.size()) {
    fail("jit", cat("expected ", names.size(), " inputs, got ", inputs.size()), "", loc);
  }
  for (const Tensor& t : inputs) runtime::require_defined(t, "jit");
  // Inside another recording the function is part of it.
  if (runtime::recorder() != nullptr) return run_eagerly(inputs);
  std::unique_lock lock(mutex);
  ++counts.calls;
  if (!counts.eager_because.empty()) {
    ++counts.eager_calls;
    lock.unlock();
    return run_eagerly(inputs);
  }
  std::vector<Tensor> results;
  const bool recheck = options.recheck != 0 && counts.calls % options.recheck == 0;
  if (recheck) last_miss = "it is time to check again";
  if (!recheck && replay(inputs, results)) {
    ++counts.replays;
    return results;
  }
  if (no_retrace > 0) {
    fail("jit", cat("this call needs a real run: ", last_miss), "NoRetrace forbids it", loc);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    for (size_t k = 0; k < i; ++k) {
      if (inputs[k].impl() != inputs[i].impl()) continue;
      ++counts.eager_calls;
      last_miss = cat("input ", names[i], ", which requires a gradient, is passed twice");
      lock.unlock();  // nothing is being recorded, so the function may call itself
      return run_eagerly(inputs);
    }
  }
  return record(inputs);
}

Jit::Jit(FlatFunction f, std::vector<std::string> names, TraceOptions trace, CompileOptions compile,
         JitOptions options)
    : impl_(std::make_shared<Impl>()) {
  impl_->f = std::move(f);
  impl_->names = std::move(names);
  impl_->trace = std::move(trace);
  impl_->compile = compile;
  impl_->options = std::move(options);
}

std::vector<Tensor> Jit::operator()(std::span<const Tensor> inputs, std::source_location loc) {
  runtime::At at(loc);
  return impl_->call(inputs, loc);
}

Compiled Jit::program() const {
  std::lock_guard lock(impl_->mutex);
  for (const Leaf& l : impl_->leaves) {
    if (l.program) return Compiled(l.program);
  }
  fail("jit", "nothing is compiled yet", "Call the function twice with inputs of one kind");
}

std::string Jit::explain_last_miss() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->last_miss;
}

JitStats Jit::stats() const {
  std::lock_guard lock(impl_->mutex);
  JitStats total = impl_->counts;
  total.leaves = impl_->leaves.size();
  for (const Leaf& l : impl_->leaves) {
    if (!l.program) continue;
    ++total.compiled;
    CompiledStats s = Compiled(l.program).stats();
    total.kernels_built += s.kernels_built;
    total.kernels_run += s.kernels_run;
    total.interpreted_run += s.interpreted_run;
    total.fallbacks += s.fallbacks;
    total.vendor_run += s.vendor_run;
  }
  return total;
}

}  // namespace etch
