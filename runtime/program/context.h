// What a Context holds: the memory, sizes and pointers of calls to one program.
#pragma once

#include <atomic>
#include <optional>

#include "runtime/program/frame.h"
#include "runtime/program/program.h"

namespace etch::runtime {

/// Marks a context as in use while alive; raises UserError when it is.
class Busy {
 public:
  explicit Busy(std::atomic<bool>& flag) : flag_(flag) {
    if (flag_.exchange(true, std::memory_order_acquire)) {
      fail("run", "the Context is in use by another call", "Give each thread its own Context");
    }
  }
  ~Busy() { flag_.store(false, std::memory_order_release); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  std::atomic<bool>& flag_;
};

struct Context::Impl {
  explicit Impl(std::shared_ptr<const Plan> p);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  void bind(const State& state, std::span<const InputView> inputs);
  /// The first guard that does not hold; the State is then unchanged.
  std::optional<GuardMiss> run(const State& state, State* writable,
                               std::span<const InputView> inputs,
                               std::span<const OutputView> outputs);

  std::shared_ptr<const Plan> plan;
  Frames frames;
  Binding& binding;
  std::atomic<bool> busy{false};
  size_t capacity = 0;
  std::vector<uint32_t> output_buffers;
  std::vector<uint64_t> guard_values;

 private:
  void resolve(const State& state);
  void stage_input(size_t i, const InputView& in);
  void reserve(size_t bytes);
  void check_outputs(std::span<const InputView> inputs, std::span<const OutputView> outputs) const;
  std::optional<GuardMiss> first_miss() const;
  void set_pointers(const State& state, State* writable, std::span<const InputView> inputs,
                    std::span<const OutputView> outputs);

  void* arena = nullptr;
  struct Dense {  // row-major copies of strided inputs
    void* data = nullptr;
    size_t bytes = 0;
  };
  std::vector<Dense> staged;
  std::vector<PortValue> input_values, state_values;
  std::vector<uint32_t> state_index;  // positions in the State of layout `layout`
  uint64_t layout = 0;
  std::vector<char> in_place;  // per new state value of this run
};

}  // namespace etch::runtime
