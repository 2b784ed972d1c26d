#include "runtime/program/packed_weights.h"

#include "runtime/contractions.h"

namespace etch::runtime {

std::shared_ptr<const PackedWeight> PackedWeights::get(uint64_t contents, const ir::OpDef& op,
                                                       std::span<const Operand> in,
                                                       const void* attrs, int64_t offset) {
  // Packing happens under the lock: a second asker waits for it instead of doing it again.
  std::lock_guard lock(mutex_);
  for (const Item& i : items_) {
    if (i.contents == contents && i.weight->fits(op, in[1], attrs, offset)) return i.weight;
  }
  std::shared_ptr<const PackedWeight> made = PackedWeight::make(op, in, attrs, offset);
  if (made != nullptr) items_.push_back({contents, made});
  return made;
}

void PackedWeights::drop(uint64_t contents) {
  std::lock_guard lock(mutex_);
  std::erase_if(items_, [&](const Item& i) { return i.contents == contents; });
}

size_t PackedWeights::bytes() const {
  std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const Item& i : items_) sum += i.weight->bytes();
  return sum;
}

std::vector<PackedWeights::Item> PackedWeights::items() const {
  std::lock_guard lock(mutex_);
  return items_;
}

}  // namespace etch::runtime
