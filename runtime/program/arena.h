// Where the temporary buffers of one run lie: byte offsets in one block of memory, from their
// lifetimes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace etch::runtime {

inline constexpr int64_t kArenaAlign = 64;

/// A buffer that holds `bytes` from step `first` to step `last`, both included.
struct Lifetime {
  int32_t first = 0;
  int32_t last = 0;
  int64_t bytes = 0;
};

/// Places buffers greedily: large ones first, each into the smallest gap between those placed
/// before it that are alive at the same time. Its workspace is kept, so that placing no more
/// buffers than before allocates nothing.
class ArenaPlanner {
 public:
  /// Writes one offset per buffer, multiples of kArenaAlign (0 for empty ones); returns the bytes
  /// of the arena. Raises UserError when they do not fit 62 bits.
  int64_t place(std::span<const Lifetime> buffers, std::span<int64_t> offsets);

 private:
  int64_t best_gap(std::span<const Lifetime> buffers, std::span<const int64_t> offsets,
                   uint32_t which) const;
  std::vector<uint32_t> order_;   // by falling size
  std::vector<uint32_t> placed_;  // by offset
};

/// The most bytes (rounded up to kArenaAlign each) alive at one step: no placement needs less.
int64_t live_bytes(std::span<const Lifetime> buffers);

}  // namespace etch::runtime
