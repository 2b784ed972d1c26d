// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3).
#pragma once

#include "ir/math_core.h"

namespace etch::ir::math {

/// The four words of one block, each below 2^32 in a u64.
template <class S>
struct PhiloxBlock {
  S w0, w1, w2, w3;
};

/// One round; products are 32 x 32 -> 64, so the words stay in u64.
template <class S>
ETCH_INLINE PhiloxBlock<S> philox_round(PhiloxBlock<S> c, S k0, S k1) {
  S a = c.w0 * 0xd2511f53u, b = c.w2 * 0xcd9e8d57u;
  return {(b >> 32) ^ c.w1 ^ k0, b & 0xffffffff, (a >> 32) ^ c.w3 ^ k1, a & 0xffffffff};
}

/// Ten rounds on counter (lo, hi) with key `seed`, all u64.
template <class S>
ETCH_INLINE PhiloxBlock<S> philox_block(S seed, S hi, S lo) {
  PhiloxBlock<S> c{lo & 0xffffffff, lo >> 32, hi & 0xffffffff, hi >> 32};
  S k0 = seed & 0xffffffff, k1 = seed >> 32;
  auto next = [&] {
    c = philox_round(c, k0, k1);
    k0 = (k0 + 0x9e3779b9u) & 0xffffffff;
    k1 = (k1 + 0xbb67ae85u) & 0xffffffff;
  };
  next(), next(), next(), next(), next();
  next(), next(), next(), next(), next();
  return c;
}

/// Word i % 4 of the block at counter (i / 4, ordinal): element i of stream `ordinal`. A u32.
template <class S>
ETCH_INLINE auto philox(S seed, S ordinal, S i) {
  PhiloxBlock<S> c = philox_block(seed, ordinal, i >> 2);
  S word = i & 3;
  S odd = -(word & 1), upper = -(word >> 1);
  return cast<uint32_t>(blend(blend(c.w0, c.w1, odd), blend(c.w2, c.w3, odd), upper));
}
/// 64 random bits for element i: words 2(i%2) and 2(i%2)+1 at counter (i / 2, ordinal).
template <class S>
ETCH_INLINE S philox64(S seed, S ordinal, S i) {
  PhiloxBlock<S> c = philox_block(seed, ordinal, i >> 1);
  S odd = -(i & 1);
  return blend(c.w0, c.w2, odd) | (blend(c.w1, c.w3, odd) << 32);
}

}  // namespace etch::ir::math
