// What the math functions of both precisions share.
#pragma once

#include "ir/scalar/native.h"

namespace etch::ir::math {

template <class S>
ETCH_INLINE S horner_from(S p, S) {
  return p;
}
template <class S, class... C>
ETCH_INLINE S horner_from(S p, S x, double c, C... rest) {
  return horner_from(fma(p, x, c), x, rest...);
}
/// Polynomial by Horner's rule, highest coefficient first, one fma per step.
template <class S, class... C>
ETCH_INLINE S horner(S x, double c, C... rest) {
  return horner_from(lit_like(x, c), x, rest...);
}

/// x within [lo, hi]; NaN passes.
template <class S>
ETCH_INLINE S clamp_nan(S x, double lo, double hi) {
  return select(lt(x, lo), lit_like(x, lo), select(gt(x, hi), lit_like(x, hi), x));
}

/// The smaller of x and hi; NaN passes.
template <class S>
ETCH_INLINE S at_most(S x, double hi) {
  return select(gt(x, hi), lit_like(x, hi), x);
}

inline constexpr double kInf = __builtin_inf();
inline constexpr double kNan = __builtin_nan("");

/// A value and what rounding took from it: their sum is the number meant.
template <class S>
struct Pair {
  S hi, lo;
};

/// a + b with what rounding took, in any order of sizes.
template <class S>
ETCH_INLINE Pair<S> two_sum(S a, S b) {
  S hi = a + b;
  S bb = hi - a;
  return {hi, (a - (hi - bb)) + (b - bb)};
}

/// The bits of `b` where `mask` is ones, of `a` where it is zeros. For choices by a bit of an
/// integer, whose conversion to a truth value g++ does not vectorise.
template <class I>
ETCH_INLINE I blend(I a, I b, I mask) {
  return a ^ ((a ^ b) & mask);
}

/// x * 2^k for k in [-2044, 2046] (f32: [-252, 254]), rounded once, also into the denormals.
/// `k` is an integer of the signed type as wide as x.
template <class S, class I>
ETCH_INLINE S scale_f32(S x, I k) {
  I half = k >> 1;
  S a = bitcast<float>((half + 127) << 23);
  S b = bitcast<float>((k - half + 127) << 23);
  return x * a * b;
}
/// As above for f64; `k` is u64 in two's complement. 64-bit arithmetic shifts are slow on AVX2: a
/// bias makes the shift logical.
template <class S, class I>
ETCH_INLINE S scale_f64(S x, I k) {
  I half = ((k + 4096) >> 1) - 2048;
  S a = bitcast<double>((half + 1023) << 52);
  S b = bitcast<double>((k - half + 1023) << 52);
  return x * a * b;
}

}  // namespace etch::ir::math
