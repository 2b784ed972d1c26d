// Vector loops: one per primitive or function and element type, built once per instruction set.
// The block interpreter executes with them, and eager calls them directly for plain operators.
#pragma once

#include <cstdint>

#include "ir/dtype.h"
#include "ir/scalar/prim.h"
#include "runtime/isa.h"

namespace etch::runtime {

/// Operands are contiguous and need no alignment beyond their element's. bool is a byte, 0 or 1.
/// `out` may equal an input of the same item size; any other overlap is not allowed.
struct LoopArgs {
  int64_t n;
  void* out;
  const void* in[3];
};
using LoopFn = void (*)(const LoopArgs&);

/// The loop of `op` on operands of type `in` (Select: of the arms) giving `out`; bit i of
/// `scalar_mask` says that operand i is one element, not n. Masks there are: binary 0, 1, 2;
/// Select and the random functions see below; Fma 0 to 6. nullptr when there is no such loop: the
/// caller then repeats the scalar operand. Select: 0, 2, 4, 6. Philox, Philox64: 3 (seed and
/// ordinal are scalars). Cast and Bitcast: all pairs. `isa` must be one that the machine supports.
LoopFn find_loop(ir::Prim op, DType in, DType out, unsigned scalar_mask, Isa isa);

/// Canonical reductions: element i of a chunk goes to lane i mod 64, lanes fold 32, 16, ..., 1.
inline constexpr int kLanes = 64;

enum class LaneOp : uint8_t { Sum, Prod, Max, Min };

/// Loops over 64 accumulators of the element type. On bool, Max is "any" and Min is "all"; Sum and
/// Prod do not exist. Max and Min order as Prim::Max and Prim::Min do.
struct LaneLoops {
  /// All lanes to the exact identity: -0.0, 1, -inf, +inf; ints 0, 1, MIN, MAX; bool false, true.
  void (*init)(void* acc);
  /// acc[i mod 64] op= x[i] for i in [0, n). Call again with more elements only after n % 64 == 0.
  void (*step)(void* acc, const void* x, int64_t n);
  /// Folds into acc[0]; lanes from `used` on hold the identity.
  void (*fold)(void* acc, int64_t used);
  /// out[r] = the whole reduction of the n elements at x + r * n, 0 < n <= one chunk.
  void (*rows)(void* out, const void* x, int64_t n, int64_t rows);
};
/// nullptr when the type has no such reduction.
const LaneLoops* lane_loops(LaneOp op, DType t, Isa isa);

/// argmax / argmin: lanes of (value, index). The first of equal values wins, a NaN wins over all.
struct ArgLoops {
  /// Absent lanes: index INT64_MAX, which loses against any element.
  void (*init)(void* values, int64_t* indices);
  /// x[i] has index first + i.
  void (*step)(void* values, int64_t* indices, const void* x, int64_t n, int64_t first);
  /// Folds into values[0], indices[0].
  void (*fold)(void* values, int64_t* indices, int64_t used);
};
/// LaneOp::Max or Min only; nullptr otherwise.
const ArgLoops* arg_loops(LaneOp op, DType t, Isa isa);

/// Copies between a contiguous and a strided row; the stride counts elements.
struct CopyLoops {
  void (*gather)(void* out, const void* in, int64_t n, int64_t in_stride);
  void (*scatter)(void* out, const void* in, int64_t n, int64_t out_stride);
  /// Each of `rows` elements n times in a row.
  void (*spread)(void* out, const void* in, int64_t n, int64_t rows);
};
/// itemsize 1, 2, 4 or 8; nullptr otherwise.
const CopyLoops* copy_loops(size_t itemsize, Isa isa);

/// out[j] = Prim::Philox(seed, ordinal, first + j), four words per block instead of one.
void philox_words(uint64_t seed, uint64_t ordinal, uint64_t first, int64_t n, uint32_t* out,
                  Isa isa);

}  // namespace etch::runtime
