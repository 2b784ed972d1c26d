#include "runtime/program/frame.h"

#include "runtime/contractions.h"
#include "runtime/eager.h"
#include "runtime/isa.h"
#include "runtime/program/launch.h"

namespace etch::runtime {

Frame::Frame(const Plan& p, Binding& b, Frames& frames) : plan(p), binding(b), frames_(frames) {
  pointers.resize(plan.buffers.size());
  operands_.resize(plan.max_operands);
  inputs_.resize(plan.inputs.size());
  outputs_.resize(plan.outputs.size());
  staying_.resize(plan.inputs.size());
  for (uint32_t buffer = 0; buffer < plan.buffers.size(); ++buffer) {
    const BufferInfo& info = plan.buffers[buffer];
    if (info.home == Home::Input) inputs_[info.index] = buffer;
    if (info.home == Home::Output) outputs_[info.index] = buffer;
    if (info.home == Home::Constant) {
      pointers[buffer] = const_cast<void*>(plan.constants[info.index]->data.get());
    }
  }
}

void Frame::run(size_t from, size_t to) {
  if (plan.reads_weights && site_->bound != binding.serial()) {
    site_->held.assign(plan.steps.size(), {});
    site_->bound = binding.serial();
  }
  for (size_t i = from; i < to; ++i) {
    const Step& s = plan.steps[i];
    BoundStep& b = binding.steps()[i];
    switch (s.kind) {
      case StepKind::Kernel:
        run_kernel(s, b);
        break;
      case StepKind::Control:
        run_control(s, b);
        break;
      default:
        run_operator(s, b);
    }
  }
}

void Frame::run_kernel(const Step& s, BoundStep& b) {
  size_t n = 0;
  for (const Place& p : s.in) operands_[n++] = pointers[p.buffer];
  for (uint32_t out : s.out) operands_[n++] = pointers[out];
  const NativeKernel* native = s.native ? s.native->get() : nullptr;
  if (native != nullptr) {
    run_native(*native, s.block->kernel(), b.kernel, operands_.data(), s.cost);
    ++frames_.native_runs_;
  } else {
    s.block->run_parallel(b.kernel, operands_.data());
    ++frames_.interpreted_runs_;
  }
}

/// Whether and as what a buffer's value stays from run to run.
Staying Frame::staying(uint32_t buffer) const {
  const BufferInfo& info = plan.buffers[buffer];
  if (info.home == Home::Constant) return {&plan.packed, info.index};
  if (info.home == Home::Input) return staying_[info.index];
  if (info.home != Home::State || plan.written[info.index]) return {};
  const uint64_t contents = frames_.state_->contents(frames_.state_index_[info.index]);
  return {contents == 0 ? nullptr : &frames_.state_->packed(), contents};
}

/// The packed weights of a contraction, looked up when their value or its window has changed.
const PackedWeight* Frame::weight(const Step& s, BoundStep& b) {
  if (!s.weight_stays) return nullptr;
  const Staying value = staying(s.in[1].buffer);
  if (value.packed == nullptr) return nullptr;
  Site::Held& held = site_->held[static_cast<size_t>(&s - plan.steps.data())];
  if (held.contents != value.contents || (held.weight && held.weight->isa() != active_isa())) {
    const void* attrs = b.attrs ? b.attrs.get() : s.attrs.data();
    held.weight = value.packed->get(value.contents, *s.op, b.operands, attrs, b.windows[1].offset);
    held.contents = value.contents;
  }
  return held.weight.get();
}

void Frame::run_operator(const Step& s, BoundStep& b) {
  for (size_t i = 0; i < s.in.size(); ++i) {
    auto item = static_cast<int64_t>(itemsize(b.in[i].dtype));
    auto* data = static_cast<std::byte*>(pointers[s.in[i].buffer]) + b.windows[i].offset * item;
    b.in[i].data = data;
    b.operands[i].data = data;
  }
  for (size_t i = 0; i < s.out.size(); ++i) b.out[i].data = pointers[s.out[i]];
  const void* attrs = b.attrs ? b.attrs.get() : s.attrs.data();
  if (s.kind == StepKind::Contraction &&
      run_contraction(*s.op, b.operands, attrs, b.out[0].data, b.out[0].sizes,
                      frames_.vendor_ ? &*frames_.vendor_ : nullptr, weight(s, b))) {
    return;
  }
  At at(s.loc);
  s.op->kernel({*s.op, b.in, b.out, attrs});
}

Frames::Entry::Entry(const Plan& plan, Frames& all)
    : binding(plan, all), frame(plan, binding, all) {}

Frames::Frames(const Plan& plan) : plan_(plan), root_(std::make_unique<Entry>(plan, *this)) {
  if (plan.vendor != nullptr) vendor_.emplace(*plan.vendor);
}

Frames::Entry& Frames::of(const Plan& plan) {
  std::unique_ptr<Entry>& entry = nested_[&plan];
  if (entry == nullptr) entry = std::make_unique<Entry>(plan, *this);
  return *entry;
}

void Frames::start(const State& state, std::span<const uint32_t> state_index) {
  root_->frame.site_ = &site_;
  state_ = &state;
  state_index_ = state_index;
  native_runs_ = interpreted_runs_ = 0;
  if (vendor_) vendor_->runs = 0;
}

void Frames::count() const {
  plan_.native_runs.fetch_add(native_runs_, std::memory_order_relaxed);
  plan_.interpreted_runs.fetch_add(interpreted_runs_, std::memory_order_relaxed);
  if (vendor_) plan_.vendor_runs.fetch_add(vendor_->runs, std::memory_order_relaxed);
}

}  // namespace etch::runtime
