// State: the named tensors that a program reads and writes between calls.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "etch/tensor.h"
#include "runtime/io/limits.h"
#include "runtime/program/packed_weights.h"

namespace etch::runtime {

/// Parameters, buffers, optimizer state, counters: dense tensors by name, each with a version that
/// grows with every change. One State serves several programs (training and inference).
/// Reading runs may share a State between threads; whatever changes it needs it alone, and says so
/// with a UserError when it is not.
class State {
 public:
  State() = default;
  State(const State& other);
  State(State&& other) noexcept;
  State& operator=(State other) noexcept;

  size_t size() const { return entries_.size(); }
  const std::string& name(size_t i) const { return entries_[i].name; }
  bool has(std::string_view name) const { return find(name) >= 0; }
  /// Position of a name, or -1.
  int find(std::string_view name) const;

  /// Adds or replaces a tensor; its elements are copied.
  void set(std::string_view name, const Tensor& value);
  /// As set() without a copy: nobody may write to `value` afterwards.
  void adopt(std::string_view name, Tensor value);
  /// Adds or replaces a tensor by a live one, which is read and written where it is: dense, and
  /// only changed while no run uses this State. Whoever changes it calls touch().
  void attach(std::string_view name, Tensor live);
  /// Notes that tensor i has other contents now.
  void touch(size_t i);
  /// A copy of a tensor; UserError when there is none of that name.
  Tensor get(std::string_view name) const;
  /// The tensor itself, not to be written to. It keeps its contents when the State moves on.
  const Tensor& at(size_t i) const { return entries_[i].now; }
  uint64_t version(size_t i) const { return entries_[i].version; }
  /// A number for what tensor i holds: new with every change, shared only with clones made since.
  /// 0 for an attached tensor that data pointers were taken of: nobody knows when it changes.
  uint64_t contents(size_t i) const;
  /// The packed forms of tensors that runs have asked for, kept until the tensor changes.
  PackedWeights& packed() const { return packed_; }
  size_t packed_bytes() const { return packed_.bytes(); }
  /// The same names and contents, sharing nothing.
  State clone() const { return *this; }

  /// One safetensors file with every tensor.
  void save(const std::string& path) const;
  /// Replaces the contents of every tensor from a file of the same names, dtypes and shapes; into
  /// an empty State, takes whatever the file holds. On an error nothing changes.
  void load(const std::string& path, const IoLimits& limits = {});

  /// Changes whenever names are added: what programs remember positions by.
  uint64_t layout() const { return layout_; }

  /// Held by runs. Raises UserError when the State is being written, or (exclusive) used at all.
  class Use {
   public:
    Use(const State& state, bool exclusive);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const State& state_;
    bool exclusive_;
  };

  /// Memory for the next value of entry i, kept for later runs. The present value stays.
  void* stage(size_t i, DType dtype, std::span<const int64_t> sizes);
  /// Whether a run may write over the present value: it is attached, or no handle elsewhere looks
  /// at it.
  bool may_overwrite(size_t i) const;
  /// Makes the staged value the present one (attached tensors take its contents).
  void commit(size_t i);

 private:
  struct Entry {
    std::string name;
    Tensor now;
    Tensor next;  // the memory of the value before, or of the one being made
    uint64_t version = 1;
    uint64_t contents = 0;
    bool live = false;  // attached
  };
  void changed(Entry& e);
  void swap(State& other) noexcept;

  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;
  uint64_t layout_ = 0;
  mutable std::atomic<int> users_{0};  // -1: one that writes
  mutable PackedWeights packed_;
};

}  // namespace etch::runtime
