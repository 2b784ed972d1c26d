#include "runtime/eager.h"

#include <array>

#include "ir/graph.h"
#include "ir/ops/elementwise.h"
#include "runtime/direct.h"
#include "runtime/recorder.h"
#include "runtime/tape.h"

namespace etch::runtime {
namespace {

thread_local Recorder* current_recorder = nullptr;

bool takes_part(const ir::OpDef& op, size_t i) {
  return static_cast<int>(i) >= op.typed_from && static_cast<int>(i) < op.typed_to;
}

/// True when call_op would insert a cast.
bool needs_promotion(const ir::OpDef& op, std::span<const Tensor> in) {
  if (op.is_view() || op.is_control()) return false;
  DType first{};
  bool any = false;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!takes_part(op, i)) continue;
    DType t = impl(in[i]).dtype;
    if (!contains(op.info.types, t) || (any && t != first)) return true;
    first = t;
    any = true;
  }
  return false;
}

/// A copy of attrs whose symbolic sizes are this run's numbers; null when there are none.
std::shared_ptr<void> concrete_attrs(const ir::OpDef& op, const void* attrs) {
  return ir::with_sizes(*op.schema, attrs, [](Dim d) {
    if (d.is_const()) return d;
    return Dim(current_recorder != nullptr ? current_recorder->example(d) : d.resolve());
  });
}

/// Results of inferred types, run, nothing else.
std::vector<Tensor> compute(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  if (!op.is_view()) return execute(op, in, attrs);
  ir::Types types;
  for (const Tensor& t : in) types.push_back(type_of(impl(t)));
  ir::Types out = ir::infer_types(op, types, attrs);
  return {view_tensor(op, attrs, in[0], out[0].shape)};
}

}  // namespace

Recorder* recorder() { return current_recorder; }
Recorder* exchange_recorder(Recorder* next) { return std::exchange(current_recorder, next); }

Tensor view_tensor(const ir::OpDef& op, const void* attrs, const Tensor& x, const Shape& sizes) {
  const TensorImpl& base = impl(x);
  if (base.numel == 0) {  // any strides fit nothing
    Sizes none = shape_eval(sizes, {});
    return Tensor(new_view(base, none, shape_eval(contiguous_strides(sizes), {}), base.data));
  }
  StridedView v = view_of(base);
  if (!op.view(attrs, sizes, v)) {
    // Not a window on these strides (a reshape of a transposed tensor): on a dense copy it is.
    PauseRecording pause;
    NoGrad no_grad;
    return view_tensor(op, attrs, dense(x), sizes);
  }
  auto* data = static_cast<std::byte*>(base.data) +
               v.offset.value() * static_cast<int64_t>(itemsize(base.dtype));
  return Tensor(new_view(base, shape_eval(v.sizes, {}), shape_eval(v.strides, {}), data));
}

std::vector<Tensor> apply(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  for (const Tensor& t : in) require_defined(t, op.name());
  if (needs_promotion(op, in)) {
    ir::Vars vars;
    for (const Tensor& t : in) vars.push_back(EagerEmitter::var(t));
    std::vector<Tensor> out;
    for (const ir::Var& v : ir::call_op(op, vars, attrs)) out.push_back(EagerEmitter::tensor(v));
    return out;
  }
  std::shared_ptr<void> concrete = attrs == nullptr ? nullptr : concrete_attrs(op, attrs);
  const void* numbers = concrete ? concrete.get() : attrs;
  bool taped = needs_tape(in);
  Recorder* rec = current_recorder;
  std::vector<Tensor> out;
  {
    PauseRecording pause;
    out = compute(op, in, numbers);
  }
  if (rec != nullptr) rec->record(op, in, attrs, out);
  // The tape keeps symbolic attributes, so that a traced backward pass stays symbolic too.
  if (taped) tape(op, attrs, numbers, in, out);
  return out;
}

Tensor apply1(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs) {
  if (current_recorder == nullptr && op.is_elementwise()) {
    // The fast path: equal dense operands, a direct loop, nobody watching.
    if (Tensor out = try_direct(op, in, attrs); out.defined()) {
      if (needs_tape(in)) tape(op, attrs, attrs, in, {&out, 1});
      return out;
    }
  }
  return std::move(apply(op, in, attrs).front());
}

Tensor apply_at(const std::source_location& loc, const ir::OpDef& op, std::span<const Tensor> in,
                const void* attrs) {
  At at(loc);
  return apply1(op, in, attrs);
}

Tensor apply_at(const std::source_location& loc, const ir::OpDef& op,
                std::initializer_list<const Tensor*> in, const void* attrs) {
  std::array<Tensor, 8> list;
  invariant(in.size() <= list.size(), "too many operands for a list");
  for (size_t i = 0; const Tensor* t : in) list[i++] = *t;
  return apply_at(loc, op, std::span<const Tensor>(list).first(in.size()), attrs);
}

EagerEmitter& EagerEmitter::instance() {
  static EagerEmitter e;
  return e;
}

ir::Vars EagerEmitter::emit(const ir::OpDef& op, std::span<const ir::Var> operands,
                            const void* attrs) {
  std::vector<Tensor> in;
  for (const ir::Var& v : operands) in.push_back(tensor(v));
  ir::Vars out;
  for (Tensor& t : apply(op, in, attrs)) {
    out.emplace_back(this, reinterpret_cast<uint64_t>(t.take()));
  }
  return out;
}

ir::TensorType EagerEmitter::type_of(uint64_t payload) const {
  auto* t = reinterpret_cast<TensorImpl*>(payload);
  ir::TensorType type = runtime::type_of(*t);
  if (current_recorder != nullptr) {
    runtime::retain(t);
    Tensor handle(t);
    for (int i = 0; i < type.rank(); ++i) {
      type.shape[static_cast<size_t>(i)] = current_recorder->size_of(handle, i, current_loc());
    }
  }
  return type;
}

ir::Var EagerEmitter::constant(const std::shared_ptr<const ir::Constant>& contents) {
  return var(tensor_on(contents->data, contents->data.get(), contents->dtype, contents->sizes));
}

void EagerEmitter::retain(uint64_t payload) {
  runtime::retain(reinterpret_cast<TensorImpl*>(payload));
}
void EagerEmitter::release(uint64_t payload) {
  runtime::release(reinterpret_cast<TensorImpl*>(payload));
}

ir::Var EagerEmitter::var(const Tensor& t) {
  runtime::retain(t.impl());
  return ir::Var(&instance(), reinterpret_cast<uint64_t>(t.impl()));
}

Tensor EagerEmitter::tensor(const ir::Var& v) {
  auto* t = reinterpret_cast<TensorImpl*>(v.payload());
  runtime::retain(t);
  return Tensor(t);
}

}  // namespace etch::runtime
