// Control flow in the graph: functions recorded as bodies, and one operator that runs them.
#include "etch/control.h"

#include <algorithm>
#include <set>

#include "etch/autograd.h"
#include "ir/ops/control.h"
#include "runtime/eager.h"
#include "runtime/tape.h"
#include "tracer/recorder.h"

namespace etch::tracer {

using etch::detail::FlatBody;
using ir::Value;
using runtime::impl;

namespace {

/// The recording that is under way, unless it was given up.
GraphRecorder* outer_recording() {
  auto* outer = dynamic_cast<GraphRecorder*>(runtime::recorder());
  return outer != nullptr && !outer->given_up() ? outer : nullptr;
}

ir::TensorType type_seen(const Tensor& t) {
  GraphRecorder* outer = outer_recording();
  return outer != nullptr ? outer->type_of(t) : runtime::type_of(impl(t));
}

/// A value of its own for a body's first run, taking part in gradients as `like` does.
Tensor stand_in(const Tensor& t, const Tensor& like) {
  runtime::PauseRecording pause;
  Tensor copy = t.detach().clone();
  return is_float(impl(t).dtype) && like.requires_grad() ? copy.requires_grad_() : copy;
}

/// An input or result of a closed graph: one of the body's own, or a capture.
struct Slot {
  bool capture = false;
  size_t index = 0;
};

/// The functions of one operator, their captures, and the operands around them.
class Bodies {
 public:
  explicit Bodies(std::string_view name) : name_(name) {}

  /// Names an operand, and what bodies see of it: itself, or elements of it.
  void add_operand(const Tensor& t, std::string name, const Tensor& seen, ir::TensorType type) {
    runtime::require_defined(t, name_);
    operands_.push_back({t, stand_in(seen, t), std::move(name), std::move(type)});
  }
  void add_operand(const Tensor& t, std::string name) {
    runtime::require_defined(t, name_);
    add_operand(t, std::move(name), t, type_seen(t));
  }

  /// Runs and records `f` on the operands.
  void record(const FlatBody& f, std::string name) {
    GraphRecorder recorder(outer_recording());
    std::vector<Tensor> values, results;
    {
      Recording recording(recorder);
      for (const Operand& o : operands_) {
        recorder.add_operand(o.stand_in, o.name, o.type);
        values.push_back(o.stand_in);
      }
      results = f(values);
    }
    bodies_.push_back(recorder.finish_body(results, captures_));
    names_.push_back(std::move(name));
    last_results_ = std::move(results);
  }
  /// What the last function that was recorded gave.
  const std::vector<Tensor>& last_results() const { return last_results_; }

  size_t results(size_t body) const { return bodies_[body].results; }
  bool writes(size_t body) const { return !bodies_[body].written.empty(); }
  /// Captures that some body changes, and the others, in order.
  std::vector<Slot> captures(bool written) const {
    std::vector<Slot> out;
    for (size_t i = 0; i < captures_.tensors.size(); ++i) {
      if (is_written(i) == written) out.push_back({true, i});
    }
    return out;
  }

  /// Body `which` with exactly these inputs and results; a capture as a result is its new value.
  ir::GraphRef closed(size_t which, std::span<const Slot> inputs,
                      std::span<const Slot> results) const {
    const BodyData& body = bodies_[which];
    auto g = std::make_shared<ir::Graph>();
    g->name = names_[which];
    g->assume_sizes(body.graph);
    std::vector<Value> own(operands_.size()), captured(captures_.tensors.size());
    for (const Slot& s : inputs) {
      if (s.capture) {
        captured[s.index] = g->add_input(cat("captured", s.index), captures_.types[s.index]);
      } else {
        own[s.index] = g->add_input(operands_[s.index].name, operands_[s.index].type);
      }
    }
    std::vector<Value> values = own;
    for (size_t c : body.captured) values.push_back(captured[c]);
    const std::vector<Value> made = ir::inline_graph(*g, body.graph, values);
    for (const Slot& s : results) {
      Value v = s.capture ? captured[s.index] : made[s.index];
      for (size_t w = 0; s.capture && w < body.written.size(); ++w) {
        if (body.written[w] == s.index) v = made[body.results + w];
      }
      g->add_result(v, cat("y", g->results().size()));
    }
    return g;
  }

  /// The operands for these inputs. A backward pass needs changed captures as they were.
  std::vector<Tensor> tensors(std::span<const Slot> slots) const {
    std::vector<Tensor> out;
    for (const Slot& s : slots) {
      out.push_back(s.capture ? captures_.tensors[s.index] : operands_[s.index].tensor);
    }
    if (!runtime::needs_tape(out)) return out;
    for (size_t i = 0; i < out.size(); ++i) {
      if (slots[i].capture && is_written(slots[i].index)) out[i] = out[i].clone();
    }
    return out;
  }

  bool captures_gradients() const { return runtime::needs_tape(captures_.tensors); }
  /// Whether the same captures take part in gradients in both bodies.
  bool same_gradients() const {
    auto tracked = [&](const BodyData& b) {
      std::set<size_t> out;
      for (size_t i = 0; i < b.captured.size(); ++i) {
        if (b.gradients[i]) out.insert(b.captured[i]);
      }
      return out;
    };
    return tracked(bodies_[0]) == tracked(bodies_[1]);
  }

  /// Puts new values into the captures of `slots`.
  void write_back(std::span<const Slot> slots, std::span<const Tensor> values) const {
    NoGrad no_grad;
    for (size_t i = 0; i < slots.size(); ++i) {
      Tensor t = captures_.tensors[slots[i].index];
      t.copy_(values[i]);
    }
  }

 private:
  bool is_written(size_t capture) const {
    return std::any_of(bodies_.begin(), bodies_.end(), [&](const BodyData& b) {
      return std::find(b.written.begin(), b.written.end(), capture) != b.written.end();
    });
  }

  struct Operand {
    Tensor tensor, stand_in;
    std::string name;
    ir::TensorType type;  // of what bodies see
  };
  std::string_view name_;
  std::vector<Operand> operands_;
  Captures captures_;
  std::vector<BodyData> bodies_;
  std::vector<std::string> names_;
  std::vector<Tensor> last_results_;
};

std::vector<Slot> own(size_t from, size_t to) {
  std::vector<Slot> out;
  for (size_t i = from; i < to; ++i) out.push_back({false, i});
  return out;
}

std::vector<Slot> operator+(std::vector<Slot> a, const std::vector<Slot>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Applies the operator; the first `results` results are the caller's.
template <class Op>
std::vector<Tensor> apply(const typename Op::Attrs& attrs, std::span<const Tensor> operands,
                          size_t results) {
  std::vector<Tensor> out = runtime::apply(ir::op_def<Op>(), operands, &attrs);
  out.resize(results);
  return out;
}

std::vector<Tensor> clones(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(t.clone());
  return out;
}

bool truth(const Tensor& predicate) { return *static_cast<const bool*>(impl(predicate).data); }

bool is_predicate(const Tensor& t) { return is_bool(impl(t).dtype) && impl(t).sizes.empty(); }

void require_predicate(const Tensor& predicate, std::string_view op) {
  runtime::require_defined(predicate, op);
  const runtime::TensorImpl& p = impl(predicate);
  if (is_predicate(predicate)) return;
  fail(op, cat("expected one bool of rank 0 as the condition, got ", p.dtype, p.sizes),
       "Compare, and reduce to one value", current_loc());
}

/// Runs the branch that the value chooses; the other one need not even be possible.
std::vector<Tensor> run_chosen(const Tensor& predicate, const FlatBody& yes, const FlatBody& no) {
  Bodies bodies("cond");
  const bool chosen = truth(predicate);
  bodies.record(chosen ? yes : no, chosen ? "cond.yes" : "cond.no");
  const std::vector<Slot> written = bodies.captures(true), rest = bodies.captures(false);
  const size_t count = bodies.results(0);
  const std::vector<Slot> inputs = written + rest;
  std::vector<Tensor> out =
      apply<ir::CallFunction>({bodies.closed(0, inputs, own(0, count) + written)},
                              bodies.tensors(inputs), count + written.size());
  bodies.write_back(written, std::span(out).subspan(count));
  out.resize(count);
  return out;
}

std::vector<Tensor> run_both(const Tensor& predicate, const FlatBody& yes, const FlatBody& no) {
  Bodies bodies("cond");
  bodies.record(yes, "cond.yes");
  bodies.record(no, "cond.no");
  GraphRecorder* outer = outer_recording();
  if (outer->is_jit() && !bodies.same_gradients()) {
    // Which tensors get gradients is the host's to see: a course for each branch.
    outer->host_number(predicate, truth(predicate), false, current_loc());
    return run_chosen(predicate, yes, no);
  }
  const size_t count = bodies.results(0);
  if (bodies.results(1) != count) {
    fail("cond", cat("one branch returns ", count, " tensors, the other ", bodies.results(1)),
         "Return the same structure from both", current_loc());
  }
  const std::vector<Slot> written = bodies.captures(true),
                          inputs = written + bodies.captures(false);
  const std::vector<Slot> results = own(0, count) + written;
  std::vector<Tensor> operands = bodies.tensors(inputs);
  operands.insert(operands.begin(), predicate);
  std::vector<Tensor> out =
      apply<ir::Cond>({bodies.closed(0, inputs, results), bodies.closed(1, inputs, results)},
                      operands, results.size());
  bodies.write_back(written, std::span(out).subspan(count));
  out.resize(count);
  return out;
}

std::vector<Tensor> run_while(const FlatBody& condition, const FlatBody& body,
                              const std::vector<Tensor>& init, const WhileOptions& options,
                              bool eager) {
  Bodies bodies("while_loop");
  for (const Tensor& t : init) bodies.add_operand(t, cat("carried", &t - init.data()));
  bodies.record(condition, "while.condition");
  if (bodies.writes(0)) {
    fail("while_loop", "the condition changes a tensor", "Change it in the body", current_loc());
  }
  const std::vector<Tensor>& test = bodies.last_results();
  const bool known = test.size() == 1 && is_predicate(test[0]);  // the operator says what is wrong
  if (eager && known && !truth(test[0])) return clones(init);    // the body may be impossible
  bodies.record(body, "while.body");
  const size_t count = init.size();
  if (bodies.results(1) != count) {
    fail("while_loop", cat("the body returns ", bodies.results(1), " tensors for ", count),
         "Return the structure of the initial value", current_loc());
  }
  const std::vector<Slot> written = bodies.captures(true), carried = own(0, count) + written;
  const std::vector<Slot> inputs = carried + bodies.captures(false);
  const std::vector<Tensor> operands = bodies.tensors(inputs);
  ir::WhileLoop::Attrs attrs;
  attrs.condition = bodies.closed(0, inputs, own(0, 1));
  GraphRecorder* outer = outer_recording();
  if (outer != nullptr && outer->is_jit() && bodies.captures_gradients()) {
    // Without a trip, captures get no gradients, which is the host's to see.
    Tensor starts;
    {
      NoGrad no_grad;
      starts = apply<ir::CallFunction>({attrs.condition}, operands, 1)[0];
    }
    outer->host_number(starts, truth(starts), false, current_loc());
    if (!truth(starts)) return clones(init);
  }
  attrs.body = bodies.closed(1, inputs, carried);
  attrs.carried = static_cast<int64_t>(carried.size());
  attrs.most = options.most;
  attrs.keep = options.most > 0 && runtime::needs_tape(operands);
  std::vector<Tensor> out = apply<ir::WhileLoop>(attrs, operands, carried.size());
  bodies.write_back(written, std::span(out).subspan(count));
  out.resize(count);
  return out;
}

std::vector<Tensor> run_scan(const FlatBody& step, const std::vector<Tensor>& init,
                             const std::vector<Tensor>& sequences, const ScanOptions& options) {
  if (sequences.empty()) {
    fail("scan", "there is no sequence", "Scan over arange() to count steps", current_loc());
  }
  Bodies bodies("scan");
  for (const Tensor& t : init) bodies.add_operand(t, cat("carried", &t - init.data()));
  Dim length;
  for (const Tensor& t : sequences) {
    const size_t number = static_cast<size_t>(&t - sequences.data());
    runtime::require_defined(t, "scan");
    ir::TensorType type = type_seen(t);
    if (type.rank() == 0) {
      fail("scan", cat("sequence ", number, " is one value"), "Give it a first axis",
           current_loc());
    }
    if (number == 0) length = type.shape[0];
    type.shape.erase(0);
    runtime::PauseRecording pause;
    NoGrad no_grad;
    const Sizes& sizes = impl(t).sizes;
    const std::span<const int64_t> rest = std::span<const int64_t>(sizes).subspan(1);
    // Without any element the body is recorded on zeros.
    const int64_t first = options.reverse ? sizes[0] - 1 : 0;
    Tensor element =
        sizes[0] == 0 ? zeros(SizeList(rest), t.dtype()) : t.slice(0, first, first + 1).squeeze(0);
    bodies.add_operand(t, cat("element", number), element, std::move(type));
  }
  bodies.record(step, "scan.step");
  const size_t own_carried = init.size(), count = bodies.results(0);
  if (count < own_carried) {
    fail("scan", cat("the step returns ", count, " tensors, but carries ", own_carried),
         "Return a pair: the carried value and a result", current_loc());
  }
  const std::vector<Slot> written = bodies.captures(true), carried = own(0, own_carried) + written;
  const std::vector<Slot> inputs =
      carried + own(own_carried, own_carried + sequences.size()) + bodies.captures(false);
  const std::vector<Tensor> operands = bodies.tensors(inputs);
  ir::Scan::Attrs attrs;
  attrs.body = bodies.closed(0, inputs, carried + own(own_carried, count));
  attrs.carried = static_cast<int64_t>(carried.size());
  attrs.sequences = static_cast<int64_t>(sequences.size());
  attrs.length = {length};
  attrs.reverse = options.reverse;
  attrs.keep = runtime::needs_tape(operands);
  std::vector<Tensor> out = apply<ir::Scan>(attrs, operands, count + written.size());
  const auto first_written = out.begin() + static_cast<std::ptrdiff_t>(own_carried);
  const auto after_written = first_written + static_cast<std::ptrdiff_t>(written.size());
  bodies.write_back(written, {first_written, after_written});
  out.erase(first_written, after_written);
  return out;
}

/// Runs f(false) inside a recording. What raises there need not raise eagerly (a branch that is not
/// taken): in jit the recording ends then, and f(true) tells.
template <class F>
std::vector<Tensor> recorded_or_eager(F&& f) {
  GraphRecorder* outer = outer_recording();
  if (outer == nullptr) return f(true);
  try {
    return f(false);
  } catch (const UserError& e) {
    if (!outer->give_up(e.what())) throw;
  }
  return f(true);
}

}  // namespace

}  // namespace etch::tracer

namespace etch::detail {

using namespace tracer;

std::vector<Tensor> cond_flat(const Tensor& predicate, const FlatBody& yes, const FlatBody& no,
                              SourceLoc loc) {
  runtime::At at(loc);
  runtime::KeepLine keep_line;
  require_predicate(predicate, "cond");
  return recorded_or_eager([&](bool eager) {
    return eager ? run_chosen(predicate, yes, no) : run_both(predicate, yes, no);
  });
}

std::vector<Tensor> while_flat(const FlatBody& condition, const FlatBody& body,
                               const std::vector<Tensor>& init, const WhileOptions& options,
                               SourceLoc loc) {
  runtime::At at(loc);
  runtime::KeepLine keep_line;
  return recorded_or_eager(
      [&](bool eager) { return run_while(condition, body, init, options, eager); });
}

std::vector<Tensor> scan_flat(const FlatBody& step, const std::vector<Tensor>& init,
                              const std::vector<Tensor>& sequences, const ScanOptions& options,
                              SourceLoc loc) {
  runtime::At at(loc);
  runtime::KeepLine keep_line;
  return recorded_or_eager([&](bool) { return run_scan(step, init, sequences, options); });
}

}  // namespace etch::detail
