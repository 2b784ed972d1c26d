// Packed weights of values that stay from run to run: those of one State, or the constants of a
// program.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace etch::ir {
struct OpDef;
}

namespace etch::runtime {

struct Operand;
class PackedWeight;

/// Each form of each value is packed once, by the first run that asks; any number of threads may
/// ask at once. Values are named by numbers that stand for equal contents wherever they appear.
class PackedWeights {
 public:
  PackedWeights() = default;
  /// Copies share what is packed so far.
  PackedWeights(const PackedWeights& other) : items_(other.items()) {}
  PackedWeights& operator=(const PackedWeights&) = delete;

  /// The weights in[1] of `op`, a window `offset` elements into value `contents`; null when they
  /// have no packed form. Allocates only when it packs.
  std::shared_ptr<const PackedWeight> get(uint64_t contents, const ir::OpDef& op,
                                          std::span<const Operand> in, const void* attrs,
                                          int64_t offset);
  /// Forgets a value. Runs that hold its packed forms keep them until their next run.
  void drop(uint64_t contents);
  size_t bytes() const;
  /// Not while other threads ask.
  void swap(PackedWeights& other) noexcept { items_.swap(other.items_); }

 private:
  struct Item {
    uint64_t contents;
    std::shared_ptr<const PackedWeight> weight;
  };
  std::vector<Item> items() const;

  mutable std::mutex mutex_;
  std::vector<Item> items_;
};

}  // namespace etch::runtime
