// Moving elements between a strided operand and a block buffer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ir/loop/kernel.h"
#include "runtime/interp/loops.h"

namespace etch::runtime {

/// Axes walked row-major, with one operand's strides (in elements).
struct AxisRange {
  const int64_t* sizes = nullptr;
  const int64_t* strides = nullptr;
  int count = 0;

  int64_t points() const;
  /// Element offset of flattened point i.
  int64_t offset(int64_t i) const;
  /// How many points from a multiple of it on are `unit` elements apart.
  int64_t linear_span(int64_t unit) const;
  bool all_zero() const;
};

/// How many loads of the kernel move over every point.
int full_loads(const ir::loop::Kernel& k, const ir::loop::BoundKernel& b);

/// One operand of a block: slow points, each of them a run of fast points.
struct Window {
  std::byte* base =
      nullptr;  // null for positions: element i then has the value of its offset, as i64
  AxisRange slow, fast;
  size_t itemsize = 0;
  int64_t fast_points = 0;  // all of them
  int64_t fast_span = 0;    // linear with step 1
  int64_t slow_span = 0;    // linear with step fast_points
  bool slow_still = false;  // the same elements at every slow point

  void prepare();
  /// The block's elements where they lie, or null when they are not contiguous.
  std::byte* direct(int64_t s0, int64_t slows, int64_t f0, int64_t fasts) const;
  /// Copies the block into `out`.
  void gather(std::byte* out, int64_t s0, int64_t slows, int64_t f0, int64_t fasts,
              const CopyLoops& copy) const;
  /// Copies the block from `in` into the operand.
  void scatter(const std::byte* in, int64_t s0, int64_t slows, int64_t f0, int64_t fasts,
               const CopyLoops& copy) const;
};

/// out[0..n) = the element at `one`.
void repeat(std::byte* out, const std::byte* one, int64_t n, size_t itemsize);

}  // namespace etch::runtime
