#include "runtime/program/context.h"

#include <algorithm>

#include "runtime/allocator.h"
#include "runtime/copy.h"
#include "runtime/tape.h"

namespace etch::runtime {

namespace {

bool row_major(const InputView& in) {
  int64_t next = 1;
  bool dense = true, empty = false;
  for (size_t i = in.strides.size(); i-- > 0;) {
    if (in.sizes[i] != 1 && in.strides[i] != next) dense = false;
    empty |= in.sizes[i] == 0;
    next *= in.sizes[i];
  }
  return dense || empty;
}

void check_input(const Port& p, const InputView& in) {
  if (in.dtype != p.type.dtype || in.sizes.size() != p.type.shape.size()) {
    fail("run", cat("input '", p.name, "': expected ", p.type, ", got ", in.dtype, in.sizes));
  }
  if (!in.strides.empty() && in.strides.size() != in.sizes.size()) {
    fail("run", cat("input '", p.name, "': ", in.strides.size(), " strides for ", in.sizes.size(),
                    " axes"));
  }
  size_t align = itemsize(in.dtype);
  bool empty = std::find(in.sizes.begin(), in.sizes.end(), 0) != in.sizes.end();
  if ((in.data == nullptr && !empty) || reinterpret_cast<uintptr_t>(in.data) % align != 0) {
    fail("run", cat("input '", p.name, "': its address is ",
                    in.data == nullptr ? "null" : "no multiple of the element size ", align));
  }
}

/// The number in the low bytes of `bits`; u64 beyond the range of i64 counts as its largest value.
int64_t integer_of(DType t, uint64_t bits) {
  const int unused = 64 - etch::bits(t);
  if (is_bool(t)) return (bits & 0xff) != 0;
  if (is_signed_int(t)) return static_cast<int64_t>(bits << unused) >> unused;
  return static_cast<int64_t>(std::min<uint64_t>(bits << unused >> unused, INT64_MAX));
}

struct Range {
  const std::byte* begin;
  const std::byte* end;
  bool meets(const Range& o) const { return begin < o.end && o.begin < end; }
};

Range range_of(const InputView& in) {
  int64_t low = 0, high = 1;
  int64_t dense = 1;
  for (size_t i = in.sizes.size(); i-- > 0;) {
    if (in.sizes[i] == 0) return {nullptr, nullptr};
    int64_t stride = in.strides.empty() ? dense : in.strides[i];
    (stride < 0 ? low : high) += stride * (in.sizes[i] - 1);
    dense *= in.sizes[i];
  }
  auto* base = static_cast<const std::byte*>(in.data);
  auto item = static_cast<int64_t>(itemsize(in.dtype));
  return {base + low * item, base + high * item};
}

}  // namespace

Context::Impl::Impl(std::shared_ptr<const Plan> p)
    : plan(std::move(p)), frames(*plan), binding(frames.root().binding) {
  staged.resize(plan->inputs.size());
  input_values.resize(plan->inputs.size());
  state_values.resize(plan->states.size());
  state_index.resize(plan->states.size());
  guard_values.resize(plan->guards.size());
  in_place.resize(plan->nexts.size());
  for (uint32_t b = 0; b < plan->buffers.size(); ++b) {
    if (plan->buffers[b].home == Home::Output) output_buffers.push_back(b);
  }
}

Context::Impl::~Impl() {
  if (arena != nullptr) deallocate(arena, capacity);
  for (Dense& d : staged) {
    if (d.data != nullptr) deallocate(d.data, d.bytes);
  }
}

void Context::Impl::resolve(const State& state) {
  if (plan->states.empty() || layout == state.layout()) return;
  for (size_t i = 0; i < plan->states.size(); ++i) {
    int at = state.find(plan->states[i].name);
    if (at < 0) {
      fail("run",
           cat("the State has no tensor '", plan->states[i].name, "' of type ",
               plan->states[i].type),
           "Set it before the first run");
    }
    state_index[i] = static_cast<uint32_t>(at);
  }
  layout = state.layout();
}

void Context::Impl::bind(const State& state, std::span<const InputView> inputs) {
  if (inputs.size() != plan->inputs.size()) {
    fail("run", cat("expected ", plan->inputs.size(), " inputs, got ", inputs.size()));
  }
  resolve(state);
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_input(plan->inputs[i], inputs[i]);
    input_values[i] = {inputs[i].dtype, inputs[i].sizes};
  }
  for (size_t i = 0; i < plan->states.size(); ++i) {
    const TensorImpl& t = runtime::impl(state.at(state_index[i]));
    const Port& p = plan->states[i];
    if (t.dtype != p.type.dtype || t.sizes.size() != p.type.shape.size()) {
      fail("run", cat("state '", p.name, "': expected ", p.type, ", got ", t.dtype, t.sizes));
    }
    state_values[i] = {t.dtype, t.sizes};
  }
  binding.bind(input_values, state_values);
}

void Context::Impl::reserve(size_t bytes) {
  if (bytes <= capacity) return;
  if (arena != nullptr) deallocate(arena, capacity);
  arena = nullptr;
  capacity = 0;
  arena = allocate(bytes);
  capacity = bytes;
}

void Context::Impl::stage_input(size_t i, const InputView& in) {
  TensorImpl from, to;
  from.dtype = to.dtype = in.dtype;
  from.sizes = to.sizes = Sizes(in.sizes);
  from.strides = Sizes(in.strides);
  to.strides.resize(in.sizes.size());
  for (size_t a = in.sizes.size(); a-- > 0;) {
    to.strides[a] = to.numel;
    to.numel *= in.sizes[a];
  }
  from.numel = to.numel;
  Dense& d = staged[i];
  size_t bytes = static_cast<size_t>(to.numel) * itemsize(in.dtype);
  if (bytes > d.bytes) {
    if (d.data != nullptr) deallocate(d.data, d.bytes);
    d = {};
    d.data = allocate(bytes);
    d.bytes = bytes;
  }
  from.data = const_cast<void*>(in.data);
  to.data = d.data;
  copy_strided(from, to);
}

void Context::Impl::set_pointers(const State& state, State* writable,
                                 std::span<const InputView> inputs,
                                 std::span<const OutputView> outputs) {
  std::vector<void*>& pointers = frames.root().pointers;
  for (uint32_t b = 0; b < pointers.size(); ++b) {
    const BufferInfo& info = plan->buffers[b];
    switch (info.home) {
      case Home::Input:
        pointers[b] = const_cast<void*>(row_major(inputs[info.index]) ? inputs[info.index].data
                                                                      : staged[info.index].data);
        break;
      case Home::State:
        pointers[b] = runtime::impl(state.at(state_index[info.index])).data;
        break;
      case Home::Constant:  // set by the frame
        break;
      case Home::Arena:
        pointers[b] = static_cast<std::byte*>(arena) + binding.offset(b);
        break;
      case Home::Output:
        pointers[b] = outputs[info.index].data;
        break;
      case Home::Guard:
        pointers[b] = &guard_values[info.index];
        break;
      case Home::Next: {
        const uint32_t entry = state_index[plan->next_of[info.index]];
        in_place[info.index] = plan->nexts_in_place[info.index] && writable->may_overwrite(entry);
        pointers[b] = in_place[info.index] ? runtime::impl(state.at(entry)).data
                                           : writable->stage(entry, info.dtype, binding.sizes(b));
        break;
      }
    }
  }
}

void Context::Impl::check_outputs(std::span<const InputView> inputs,
                                  std::span<const OutputView> outputs) const {
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto need = static_cast<size_t>(binding.bytes(output_buffers[i]));
    const Port& p = plan->outputs[i];
    if (outputs[i].bytes < need || (outputs[i].data == nullptr && need != 0) ||
        reinterpret_cast<uintptr_t>(outputs[i].data) % itemsize(p.type.dtype) != 0) {
      fail("run",
           cat("output '", p.name, "' takes ", need, " aligned bytes, got ", outputs[i].bytes));
    }
    auto* base = static_cast<const std::byte*>(outputs[i].data);
    Range mine{base, base + need};
    bool meets = false;
    for (const InputView& in : inputs) meets |= mine.meets(range_of(in));
    for (size_t j = 0; j < i; ++j) {
      auto* other = static_cast<const std::byte*>(outputs[j].data);
      meets |= mine.meets({other, other + binding.bytes(output_buffers[j])});
    }
    if (meets) {
      fail("run", cat("the memory of output '", p.name, "' overlaps an input or another output"),
           "Give each output memory of its own");
    }
  }
}

std::optional<GuardMiss> Context::Impl::first_miss() const {
  for (size_t i = 0; i < plan->guards.size(); ++i) {
    const GuardPort& g = plan->guards[i];
    const int64_t v = integer_of(g.dtype, guard_values[i]);
    if (v < g.range.low || v > g.range.high) return GuardMiss{i, v};
  }
  return std::nullopt;
}

std::optional<GuardMiss> Context::Impl::run(const State& state, State* writable,
                                            std::span<const InputView> inputs,
                                            std::span<const OutputView> outputs) {
  Busy guard(busy);
  State::Use use(state, writable != nullptr);
  if (outputs.size() != plan->outputs.size()) {
    fail("run", cat("expected ", plan->outputs.size(), " outputs, got ", outputs.size()));
  }
  bind(state, inputs);
  check_outputs(inputs, outputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!row_major(inputs[i])) stage_input(i, inputs[i]);
  }
  reserve(static_cast<size_t>(binding.arena_bytes()));
  set_pointers(state, writable, inputs, outputs);
  frames.start(state, state_index);
  const size_t commits = std::min(plan->point_of_no_return, plan->steps.size());
  frames.root().run(0, commits);
  if (commits < plan->steps.size()) {
    if (auto miss = first_miss()) return miss;
    frames.root().run(commits, plan->steps.size());
  }
  frames.count();
  if (auto miss = first_miss()) return miss;
  if (writable != nullptr) {
    for (size_t n = 0; n < in_place.size(); ++n) {
      const uint32_t entry = state_index[plan->next_of[n]];
      in_place[n] ? writable->touch(entry) : writable->commit(entry);
    }
  }
  return std::nullopt;
}

Context::Context(const Program& program) : impl_(std::make_unique<Impl>(program.plan_)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

std::span<const int64_t> Context::output_sizes(size_t i) const {
  if (!impl_->binding.bound()) fail("Context", "no sizes are known yet", "Call bind() or run()");
  return impl_->binding.sizes(impl_->output_buffers.at(i));
}
size_t Context::output_bytes(size_t i) const {
  if (!impl_->binding.bound()) fail("Context", "no sizes are known yet", "Call bind() or run()");
  return static_cast<size_t>(impl_->binding.bytes(impl_->output_buffers.at(i)));
}
int64_t Context::guard_value(size_t i) const {
  return integer_of(impl_->plan->guards.at(i).dtype, impl_->guard_values.at(i));
}
size_t Context::arena_bytes() const { return static_cast<size_t>(impl_->binding.arena_bytes()); }
size_t Context::arena_capacity() const { return impl_->capacity; }
size_t Context::live_bytes() const { return static_cast<size_t>(impl_->binding.live()); }

}  // namespace etch::runtime
