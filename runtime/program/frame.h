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
  void run_kernel(const Step& s, BoundStep& b);
  void run_operator(const Step& s, BoundStep& b);
  const PackedWeight* weight(const Step& s, BoundStep& b);

  // control.cpp
  void run_control(const Step& s, BoundStep& b);
  void run_call(const Step& s, Frame& body);
  void run_while(const Step& s, const void* attrs);
  void run_scan(const Step& s, const void* attrs);
  Frame& nested(const Step& s, size_t i);
  size_t bytes(uint32_t buffer) const { return static_cast<size_t>(binding.bytes(buffer)); }
  /// `count` elements of `size` bytes from element `at` on.
  static void* element(void* data, int64_t at, size_t size) {
    return static_cast<std::byte*>(data) + static_cast<size_t>(at) * size;
  }

  Frames& frames_;
  std::vector<void*> operands_;             // of the present step
  std::vector<uint32_t> inputs_, outputs_;  // buffers, by index
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
  std::optional<LibraryUse> library_;
  const State* state_ = nullptr;
  std::span<const uint32_t> state_index_;
  uint64_t native_runs_ = 0, interpreted_runs_ = 0;
  std::unique_ptr<Entry> root_;
};

}  // namespace etch::runtime
