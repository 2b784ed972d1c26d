// Running the steps of a plan and of the graphs nested in it.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/program/binding.h"
#include "runtime/program/state.h"

namespace etch::runtime {

class Frames;

/// What a place that runs a plan keeps from run to run: the packed weights of the steps there, and
/// the places inside. Plans that run at several places have other weights at each.
struct Site {
  struct Held {
    uint64_t contents = kNothing;                // of the value that was packed
    std::shared_ptr<const PackedWeight> weight;  // null when it has no packed form
    static constexpr uint64_t kNothing = ~uint64_t{0};
  };
  uint64_t bound = 0;      // Binding::serial() of the sizes that the weights are packed for
  std::vector<Held> held;  // per step
  std::vector<std::unique_ptr<Site>> inside;  // per step and nested plan, in order
};

/// A value that stays from run to run: where its packed forms are, and under which number.
struct Staying {
  PackedWeights* packed = nullptr;  // null: it does not stay
  uint64_t contents = 0;
};

/// A plan under one set of sizes and pointers.
class Frame {
 public:
  Frame(const Plan& plan, Binding& binding, Frames& frames);
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  /// Runs steps [from, to).
  void run(size_t from, size_t to);

  const Plan& plan;
  Binding& binding;
  std::vector<void*> pointers;  // per buffer; whoever runs a frame sets them

 private:
  friend class Frames;
  void run_kernel(const Step& s, BoundStep& b);
  void run_operator(const Step& s, BoundStep& b);
  Staying staying(uint32_t buffer) const;
  const PackedWeight* weight(const Step& s, BoundStep& b);

  // control.cpp
  void run_control(const Step& s, BoundStep& b);
  void run_call(const Step& s, const BoundStep& b, Frame& body);
  void run_while(const Step& s, const BoundStep& b, const void* attrs);
  void run_scan(const Step& s, const BoundStep& b, const void* attrs);
  Frame& nested(const Step& s, const BoundStep& b, size_t i, size_t moving = 0);
  /// Operand i, which is dense, but may begin inside its buffer.
  void* operand(const Step& s, const BoundStep& b, size_t i) const {
    const uint32_t buffer = s.in[i].buffer;
    return element(pointers[buffer], b.windows[i].offset, itemsize(plan.buffers[buffer].dtype));
  }
  size_t bytes(uint32_t buffer) const { return static_cast<size_t>(binding.bytes(buffer)); }
  /// `count` elements of `size` bytes from element `at` on.
  static void* element(void* data, int64_t at, size_t size) {
    return static_cast<std::byte*>(data) + static_cast<size_t>(at) * size;
  }

  Frames& frames_;
  std::vector<void*> operands_;             // of the present step
  std::vector<uint32_t> inputs_, outputs_;  // buffers, by index
  Site* site_ = nullptr;                    // where it runs now
  std::vector<Staying> staying_;            // per input, inside other plans
  std::byte* inside_ = nullptr;             // where its temporary memory was put last,
  uint64_t inside_serial_ = 0;              // under which sizes
};

/// The frames of one program: its own and one per nested plan, which its steps share, since only
/// one of them runs at a time.
class Frames {
 public:
  explicit Frames(const Plan& plan);

  struct Entry {
    Entry(const Plan& plan, Frames& all);
    Binding binding;
    Frame frame;
  };
  Entry& of(const Plan& plan);
  Frame& root() { return root_->frame; }

  /// Begins a run on `state`, whose tensor number i is at position state_index[i].
  void start(const State& state, std::span<const uint32_t> state_index);
  /// Adds what the run did to the plan's counters.
  void count() const;

 private:
  friend class Frame;
  const Plan& plan_;
  std::unordered_map<const Plan*, std::unique_ptr<Entry>> nested_;
  std::optional<LibraryUse> vendor_;
  const State* state_ = nullptr;
  std::span<const uint32_t> state_index_;
  uint64_t native_runs_ = 0, interpreted_runs_ = 0;
  Site site_;
  std::unique_ptr<Entry> root_;
};

}  // namespace etch::runtime
