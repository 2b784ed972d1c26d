// Recording a function as the body of an operator: a graph inside another.
#include <algorithm>

#include "ir/ops/view.h"
#include "runtime/eager.h"
#include "runtime/tape.h"
#include "tracer/recorder.h"

namespace etch::tracer {

using ir::Value;
using runtime::impl;
using runtime::TensorImpl;

namespace {

const TraceOptions& no_options() {
  static const TraceOptions options;
  return options;
}

/// Whether an operator on the tensor goes on the tape.
bool tracked(const Tensor& t) { return runtime::needs_tape({&t, 1}); }

}  // namespace

size_t Captures::add(const Tensor& t, const ir::TensorType& type) {
  const TensorImpl& a = impl(t);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorImpl& b = impl(tensors[i]);
    if (a.data == b.data && a.dtype == b.dtype && a.sizes == b.sizes && a.strides == b.strides) {
      if (tracked(t)) tensors[i] = t;  // a detached handle of it gets no gradients
      return i;
    }
  }
  tensors.push_back(t);
  types.push_back(type);
  return tensors.size() - 1;
}

GraphRecorder::GraphRecorder(GraphRecorder* outer) : GraphRecorder(no_options(), RecordMode::Body) {
  outer_ = outer;
}

GraphRecorder::~GraphRecorder() {
  for (Kept& k : kept_) {
    runtime::copy_elements(k.contents, k.tensor);
    impl(k.tensor).storage->version = k.version;  // the contents of then
  }
}

/// A body's first run is on real values, but changes nothing.
void GraphRecorder::keep_contents(const Tensor& holder) {
  runtime::PauseRecording pause;
  NoGrad no_grad;
  kept_.push_back({holder, holder.clone(), impl(holder).storage->version});
}

/// v as the tape sees it through the handle t: a detached handle, or one that is used inside
/// NoGrad, ends the gradients of the graph.
Value GraphRecorder::gradient_value(const Tensor& t, Value v) {
  if (!is_float(impl(t).dtype)) return v;
  auto it = buffers_.find(impl(t).storage);
  Buffer* b = it == buffers_.end() ? nullptr : &it->second;
  const bool captured = ir::is_input(data_.graph.node(v.node)) && b != nullptr && b->state >= 0;
  const runtime::GradMeta* meta = impl(t).grad.get();
  const bool leaf = meta != nullptr && meta->producer == nullptr;
  if (!tracked(t) || (leaf && made_here(t))) {
    // Another handle of a captured tensor may take part in gradients later.
    if (!carrying_.contains(v) && !captured) return v;
    return append(ir::op_def<ir::Detach>(), {&v, 1}, nullptr);
  }
  if (captured && !carrying_.contains(v)) {
    data_.state[static_cast<size_t>(b->state)].tensor = t;
    carrying_.insert(v);
  }
  if (meta->producer != nullptr && meta->producer->custom) {
    fail("control flow", "a value has a gradient that a graph's body does not know (custom_vjp)",
         "Use operators whose gradient is their own, or apply it outside of the body",
         current_loc());
  }
  return v;
}

/// Gradients go on from operands to results.
void GraphRecorder::carry(ir::NodeId id) {
  const ir::Node& n = data_.graph.node(id);
  if (std::none_of(n.inputs.begin(), n.inputs.end(),
                   [&](Value v) { return carrying_.contains(v); })) {
    return;
  }
  for (uint32_t i = 0; i < n.outputs.size(); ++i) {
    if (is_float(n.outputs[i].dtype)) carrying_.insert({id, i});
  }
}

ir::TensorType GraphRecorder::type_of(const Tensor& t) {
  ir::TensorType type = runtime::type_of(impl(t));
  for (int a = 0; a < type.rank(); ++a) {
    type.shape[static_cast<size_t>(a)] = size_of(t, a, current_loc());
  }
  return type;
}

void GraphRecorder::add_operand(const Tensor& t, std::string name, ir::TensorType type) {
  Value v = data_.graph.add_input(std::move(name), std::move(type));
  Buffer b;
  b.holder = t;
  b.current = v;
  b.version = impl(t).storage->version;
  b.input = static_cast<int>(data_.graph.inputs().size()) - 1;
  if (tracked(t)) carrying_.insert(v);
  buffers_.emplace(impl(t).storage, std::move(b));
  bind(t, v);
}

BodyData GraphRecorder::finish_body(std::span<const Tensor> results, Captures& captures) {
  require_followed();
  BodyData out;
  ir::Graph& g = data_.graph;
  for (const Tensor& t : results) {
    runtime::require_defined(t, "control flow");
    g.add_result(gradient_value(t, value_of_tensor(t)), cat("y", g.results().size()));
  }
  out.results = results.size();
  for (const ir::GraphInput& in : g.inputs()) {
    for (const auto& [storage, b] : buffers_) {
      if (b.state < 0 || data_.state[static_cast<size_t>(b.state)].name != in.name) continue;
      const Tensor& t = data_.state[static_cast<size_t>(b.state)].tensor;
      out.captured.push_back(captures.add(t, g.type(in.value)));
      out.gradients.push_back(carrying_.contains(in.value));
      if (!b.written) continue;
      out.written.push_back(out.captured.back());
      g.add_result(b.current, cat(in.name, ".next"));
    }
  }
  if (outer_ != nullptr) g.assume_sizes(outer_->data_.graph);
  out.graph = std::move(g);
  return out;
}

}  // namespace etch::tracer
