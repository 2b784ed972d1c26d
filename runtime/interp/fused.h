// Expressions of several primitives that have a loop of their own: the values between stay in
// registers. Each is written once, as the pattern to look for and as the body of the loop, so the
// bits are those of the primitives one by one. f32 only.
#pragma once

#include <optional>

#include "ir/math.h"
#include "ir/support/small_vec.h"
#include "runtime/interp/loops.h"

// Larger ones first: the first that matches is taken.
#define ETCH_FUSED_LOOPS(X) \
  X(Gelu) X(Silu) X(Sigmoid) X(Positive) X(SubExp) X(SubSquare) X(SubMul) X(MulAdd)

namespace etch::runtime {

namespace fused {

struct Gelu {
  static constexpr bool kCostly = true;
  template <class S>
  ETCH_INLINE static S run(S x) {
    return x * 0.5 * (erf(x * 0.70710678118654752440) + 1.0);
  }
};
struct Silu {
  static constexpr bool kCostly = true;
  template <class S>
  ETCH_INLINE static S run(S x) {
    return x * (1.0 / (1.0 + exp(-x)));
  }
};
struct Sigmoid {
  static constexpr bool kCostly = true;
  template <class S>
  ETCH_INLINE static S run(S x) {
    return 1.0 / (1.0 + exp(-x));
  }
};
struct Positive {
  template <class S>
  ETCH_INLINE static S run(S x) {
    return select(x < lit_like(x, 0), lit_like(x, 0), x);
  }
};
struct SubExp {
  static constexpr bool kCostly = true;
  template <class S>
  ETCH_INLINE static S run(S x, S y) {
    return exp(x - y);
  }
};
struct SubSquare {
  template <class S>
  ETCH_INLINE static S run(S x, S y) {
    return (x - y) * (x - y);
  }
};
struct SubMul {
  template <class S>
  ETCH_INLINE static S run(S x, S y, S z) {
    return (x - y) * z;
  }
};
struct MulAdd {
  template <class S>
  ETCH_INLINE static S run(S x, S y, S z) {
    return x * y + z;
  }
};

}  // namespace fused

enum class Fused : uint8_t {
#define ETCH_FUSED_NAME(Name) Name,
  ETCH_FUSED_LOOPS(ETCH_FUSED_NAME)
#undef ETCH_FUSED_NAME
};

/// The loop, or nullptr: bit i of `scalar_mask` says that operand i is one element. A kind that has
/// loops on `isa` has one for mask 0.
LoopFn find_fused(Fused f, unsigned scalar_mask, Isa isa);

/// A node that is such an expression: its operands, and the nodes that only its inside needs.
struct FusedNode {
  Fused kind{};
  SmallVec<uint32_t, 3> operands;
  SmallVec<uint32_t, 8> inside;
};
std::optional<FusedNode> match_fused(const ir::ExprGraph& g, uint32_t id);

}  // namespace etch::runtime
