// What the host learns while recording: sizes, numbers, pointers. Guarded, or refused.
#include <algorithm>

#include "ir/ops/create.h"
#include "runtime/tape.h"
#include "tracer/jit_lines.h"
#include "tracer/recorder.h"

namespace etch::tracer {

using ir::Value;
using runtime::impl;
using runtime::TensorImpl;

namespace {

/// The relation that holds when `r` does not, with the sides as `swap` says.
Relation opposite(Relation r, bool& swap) {
  swap = r == Relation::Less || r == Relation::LessEqual;
  switch (r) {
    case Relation::Equal:
      return Relation::NotEqual;
    case Relation::NotEqual:
      return Relation::Equal;
    case Relation::Less:
      return Relation::LessEqual;
    case Relation::LessEqual:
      return Relation::Less;
  }
  return r;
}

}  // namespace

Dim GraphRecorder::size_of(const Tensor& t, int axis, SourceLoc loc) {
  const TensorImpl& i = impl(t);
  auto a = static_cast<size_t>(axis);
  std::optional<Note> known = given_up() ? std::nullopt : note(i);
  if (!known) return outer_ != nullptr ? outer_->size_of(t, axis, loc) : Dim(i.sizes[a]);
  Dim d = data_.graph.type(known->value).shape[a];
  if (!d.is_const()) (outer_ != nullptr ? outer_ : this)->size_locs_[d.raw()] = loc;
  return d;
}

SourceLoc GraphRecorder::loc_of(Dim d) const {
  auto it = size_locs_.find(d.raw());
  return it == size_locs_.end() ? current_loc() : it->second;
}

void GraphRecorder::host_read(const Tensor& t, SourceLoc loc, std::string_view what) {
  attempt([&] {
    const TensorImpl& i = impl(t);
    // In jit every tensor's contents may change between calls, captured or not.
    if (mode_ != RecordMode::Jit && !knows(i)) {
      if (outer_ != nullptr) outer_->host_read(t, loc, what);
      return;
    }
    fail("trace", cat(what, " of a traced tensor of shape ", i.sizes, " leaves the trace"),
         "Its value would be baked in silently; keep it a tensor, or read it outside the trace",
         loc);
  });
}

void GraphRecorder::host_number(const Tensor& source, int64_t integer, bool is_float,
                                SourceLoc loc) {
  attempt([&] {
    const TensorImpl& i = impl(source);
    if (mode_ != RecordMode::Jit && !knows(i)) {
      if (outer_ != nullptr) outer_->host_number(source, integer, is_float, loc);
      return;
    }
    if (mode_ == RecordMode::Body) {
      fail("control flow", "the host decides on a value inside a graph's body",
           "Use cond(), while_loop() or select() there", loc);
    }
    if (is_float) {
      fail("trace", "a floating number of a traced tensor becomes a raw number",
           "Keep it a Traced number or a tensor; only comparisons and integers can be guarded",
           loc);
    }
    guard_value(value_of_tensor(source), integer);
  });
}

void GraphRecorder::host_sizes(const Tensor& t, SourceLoc loc) {
  std::optional<Note> known = given_up() ? std::nullopt : note(impl(t));
  if (!known) {
    if (outer_ != nullptr) outer_->host_sizes(t, loc);
    return;
  }
  ir::TensorType type = data_.graph.type(known->value);
  for (Dim d : type.shape) {
    if (d.is_const()) continue;
    (outer_ != nullptr ? outer_ : this)->size_locs_[d.raw()] = loc;
    value_of(d);
  }
}

/// The place of a tensor among the function's inputs, or -1.
int GraphRecorder::input_of(const Tensor& leaf) const {
  for (size_t i = 0; i < data_.inputs.size(); ++i) {
    if (data_.inputs[i].tensor.impl() == leaf.impl()) return static_cast<int>(i);
  }
  return -1;
}

void GraphRecorder::grad_read(const Tensor& leaf) {
  // Of a tensor that the function made itself nothing outlives the call.
  if (given_up() || made_here(leaf)) return;
  if (mode_ == RecordMode::Body) return outer_ != nullptr ? outer_->grad_read(leaf) : void();
  auto same = [&](const auto& known) { return known.leaf.impl() == leaf.impl(); };
  if (std::any_of(data_.grads.begin(), data_.grads.end(), same)) return;
  if (std::any_of(data_.grads_found.begin(), data_.grads_found.end(), same)) return;
  runtime::PauseRecording pause;
  data_.grads_found.push_back({leaf, input_of(leaf), leaf.grad()});
}

void GraphRecorder::grad_written(const Tensor& leaf) {
  if (given_up() || made_here(leaf)) return;
  if (mode_ == RecordMode::Body) {
    fail("control flow", "a gradient is left on a tensor from outside of a graph's body",
         "Use grad(), and let the body return what it gives", current_loc());
  }
  auto same = [&](const auto& known) { return known.leaf.impl() == leaf.impl(); };
  if (std::any_of(data_.grads.begin(), data_.grads.end(), same)) return;
  data_.grads.push_back({leaf, input_of(leaf), -1});
}

void GraphRecorder::host_flag(const std::shared_ptr<const bool>& flag, const std::string& what) {
  if (mode_ == RecordMode::Body) return outer_ != nullptr ? outer_->host_flag(flag, what) : void();
  for (const HostFlag& f : data_.flags) {
    if (f.live == flag) return;
  }
  data_.flags.push_back({flag, *flag, what});
}

/// Notes whether a tensor from outside takes part in gradients. That of inputs is the call's, and
/// trace() has no gradients as results.
void GraphRecorder::seen(const Tensor& t) {
  if (mode_ == RecordMode::Body) return outer_ != nullptr ? outer_->seen(t) : void();
  const TensorImpl& i = impl(t);
  if (mode_ == RecordMode::Trace || made_here(t) || input_of(t) >= 0) return;
  if (!leaves_.insert(&i).second) return;
  const runtime::GradMeta* m = i.grad.get();
  data_.leaves.push_back({t, m != nullptr && (m->requires_grad || m->producer != nullptr)});
}

void GraphRecorder::leaf_flag(const Tensor& t) {
  if (!given_up()) seen(t);
}

void GraphRecorder::unrecordable(std::string_view what, SourceLoc loc) {
  attempt([&] {
    fail("trace", cat(what, " cannot be part of a recording"), "Do it outside of the function",
         loc);
  });
}

Tensor GraphRecorder::host_input(const void* address, DType dtype, std::string_view name,
                                 SourceLoc loc) {
  if (mode_ == RecordMode::Body) {
    Tensor t = outer_ != nullptr ? outer_->host_input(address, dtype, name, loc)
                                 : from_bytes(address, {}, dtype);
    if (!buffers_.contains(impl(t).storage)) discover(t);  // it is newer than the recording
    return t;
  }
  Tensor now = from_bytes(address, {}, dtype);
  attempt([&] {
    for (size_t i = 0; i < data_.host_inputs.size(); ++i) {
      const HostInput& known = data_.host_inputs[i];
      if (known.name != name) continue;
      if (known.address != address) {
        fail("input", cat("two variables are both named ", name), "Give each its own name", loc);
      }
      now = data_.inputs[declared_inputs_ + i].tensor;
      return;
    }
    if (data_.host_inputs.empty()) declared_inputs_ = data_.inputs.size();
    add_input({std::string(name), now});
    data_.host_inputs.push_back({std::string(name), address, dtype});
  });
  return now;
}

/// "gt(sum, 0.5)": the operator and where its operands come from.
std::string GraphRecorder::describe(Value v) const {
  auto name = [&](Value of) -> std::string {
    const ir::Node& n = data_.graph.node(of.node);
    if (n.op == &ir::op_def<ir::Full>()) {
      const ir::Number& number = n.attrs.as<ir::Full::Attrs>().value;
      return cat(ir::number_value(number));
    }
    for (const ir::GraphInput& in : data_.graph.inputs()) {
      if (in.value == of) return in.name;
    }
    return std::string(n.op->name());
  };
  const ir::Node& n = data_.graph.node(v.node);
  std::string out = name(v);
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    out += cat(i == 0 ? "(" : ", ", name(n.inputs[i]));
  }
  return n.inputs.empty() ? out : out + ")";
}

void GraphRecorder::guard_value(Value v, int64_t value) {
  ir::Graph& g = data_.graph;
  for (const ir::GraphResult& r : g.results()) {
    if (r.guard && r.value == v) return;  // the host knows it already
  }
  const SourceLoc& at = current_loc();
  TraceGuard guard;
  guard.at = operators_;
  guard.result = static_cast<int>(g.results().size());
  guard.what = describe(v);
  guard.loc = {at.file, at.line};
  g.add_guard(v, guard.what, {value, value}, g.intern_loc(at.file, at.line));
  data_.guards.push_back(std::move(guard));
}

void GraphRecorder::refuse(const std::string& what, Dim d) {
  const SourceLoc converted = conversion_line();
  fail("trace", cat(what, " depends on the dynamic size ", d),
       "Keep it a Dim (arithmetic and shapes take Dims), or make the axis static",
       converted.known() ? converted : loc_of(d));
}

/// A decision about sizes: what the recorded run decided becomes a constraint of the graph.
bool GraphRecorder::decide(Dim a, Relation relation, Dim b, bool holds) {
  if (outer_ != nullptr) return outer_->decide(a, relation, b, holds);
  if (given_up()) return holds;
  bool swap = false;
  const Relation kept = holds ? relation : opposite(relation, swap);
  const Dim lhs = swap ? b : a, rhs = swap ? a : b;
  for (const TraceGuard& g : data_.guards) {
    if (g.on_sizes() && g.relation == kept && g.lhs.same_as(lhs) && g.rhs.same_as(rhs)) {
      return holds;
    }
  }
  const SourceLoc at = loc_of(a.is_const() ? b : a);
  TraceGuard guard;
  guard.at = operators_;
  guard.lhs = lhs;
  guard.relation = kept;
  guard.rhs = rhs;
  const std::string what = guard.what = cat(lhs, " ", kept, " ", rhs);
  guard.loc = {at.file, at.line};
  data_.graph.require(lhs, kept, rhs, data_.graph.intern_loc(at.file, at.line));
  data_.guards.push_back(std::move(guard));
  facts_.add(lhs, kept, rhs);
  if (mode_ == RecordMode::Trace) refuse_if_fixed(lhs.is_const() ? rhs : lhs, what);
  return holds;
}

/// A size that was asked to be dynamic may be narrowed by branches, but not to one number.
void GraphRecorder::refuse_if_fixed(Dim d, const std::string& what) {
  SmallVec<Dim, 4> symbols;
  dim_symbols(d, symbols);
  for (Dim s : symbols) {
    const DimFacts::Range r = facts_.range(s);
    if (!facts_.reduce(s).is_const() && r.low != r.high) continue;
    refuse(cat("the comparison ", what, ", which leaves one size only,"), s);
  }
}

int64_t GraphRecorder::value_of(Dim d) {
  if (outer_ != nullptr) return outer_->value_of(d);
  const int64_t v = example(d);
  if (mode_ == RecordMode::Trace) refuse("a raw number", d);
  decide(d, Relation::Equal, Dim(v), true);
  return v;
}
bool GraphRecorder::equal(Dim a, Dim b) {
  return decide(a, Relation::Equal, b, example(a) == example(b));
}
bool GraphRecorder::less(Dim a, Dim b) {
  return decide(a, Relation::Less, b, example(a) < example(b));
}

}  // namespace etch::tracer
