// Math functions in f32. Polynomials are minimax fits; accuracies are in docs/math_accuracy.md.
//
// All are branch-free: select picks between results that were both computed. Adding 1.5 * 2^23 to a
// small float rounds it to an integer, which then sits in the low bits of the sum.
#pragma once

#include "ir/math_core.h"

namespace etch::ir::math::f32 {

inline constexpr double kShift = 0x1.8p23;
inline constexpr int kShiftBits = 0x4b400000;

/// e^x = y 2^k: k = rint(x / ln 2), r = x - k ln 2, y = 1 + r + r^2 P(r). |x| < 2^20.
/// `shifted` is the f32 whose bits are kShiftBits + k.
template <class S>
struct ExpParts {
  S y, shifted;
};
template <class S>
ETCH_INLINE ExpParts<S> exp_parts(S x) {
  S t = fma(x, 0x1.715476p+0, kShift);
  S k = t - kShift;
  S r = fma(k, -0x1.62e4p-1, x);
  r = fma(k, -0x1.7f7d1cp-20, r);
  S p = horner(r, 0x1.6d1606p-10, 0x1.12106cp-7, 0x1.555516p-5, 0x1.5554d8p-3, 0x1p-1);
  return {1 + fma(p, r * r, r), t};
}

/// e^x * 2^extra without intermediate overflow; x is clamped to where the result is 0 or inf.
template <class S>
ETCH_INLINE S exp_scaled(S x, int extra) {
  ExpParts<S> e = exp_parts(clamp_nan(x, -104, 91));
  return scale_f32(e.y, bitcast<int32_t>(e.shifted) - (kShiftBits - extra));
}
/// e^x where the result is normal: -87 <= x <= 87, or NaN. Same bits as exp, in fewer steps.
template <class S>
ETCH_INLINE S exp_normal(S x) {
  ExpParts<S> e = exp_parts(x);
  return e.y * bitcast<float>((bitcast<int32_t>(e.shifted) - (kShiftBits - 127)) << 23);
}

template <class S>
ETCH_INLINE S exp(S x) {
  return exp_scaled(x, 0);
}

template <class S>
ETCH_INLINE S exp2(S x) {
  S c = clamp_nan(x, -151, 129);
  S t = c + kShift;
  S r = c - (t - kShift);
  S p = horner(r, 0x1.3fa206p-13, 0x1.5f0b82p-10, 0x1.3b30ap-7, 0x1.c6af76p-5, 0x1.ebfbd8p-3,
               0x1.62e43p-1);
  return scale_f32(fma(p, r, 1), bitcast<int32_t>(t) - kShiftBits);
}

/// 2^k (e^r - 1) + (2^k - 1), with 2^(k-1) so that the largest k does not overflow early.
template <class S>
ETCH_INLINE S expm1(S x) {
  S c = clamp_nan(x, -20, 91);
  S t = fma(c, 0x1.715476p+0, kShift);
  S k = t - kShift;
  auto ki = bitcast<int32_t>(t) - kShiftBits;
  S r = fma(k, -0x1.62e4p-1, c);
  r = fma(k, -0x1.7f7d1cp-20, r);
  S p =
      horner(r, 0x1.9e0be4p-13, 0x1.6d4366p-10, 0x1.111306p-7, 0x1.5554fp-5, 0x1.555554p-3, 0x1p-1);
  S half = bitcast<float>((min(ki, lit_like(ki, 128)) + 126) << 23);  // 2^(k-1)
  S y = fma(p * (r * r), half, fma(r, half, half - 0.5));
  y = select(gt(k, 128), lit_like(x, kInf), y + y);
  return select(lt(abs(x), 0x1p-40), x, y);
}

/// x = m 2^e with m in [sqrt(1/2), sqrt(2)), t = m - 1 exactly. x positive, denormals allowed.
template <class S>
struct Split {
  S t, e;
};
template <class S>
ETCH_INLINE Split<S> split(S x) {
  auto tiny = lt(x, 0x1p-126);
  auto i = bitcast<int32_t>(select(tiny, x * 0x1p23, x));
  auto n = (i - 0x3f3504f3) >> 23;
  S m = bitcast<float>(i - (n << 23));
  return {m - 1, cast<float>(n) + select(tiny, lit_like(x, -23), lit_like(x, 0))};
}

/// log(1 + t) = t + lo for t in [sqrt(1/2) - 1, sqrt(2) - 1]: lo = -t^2/2 + t^3 Q(t).
template <class S>
ETCH_INLINE S log_tail(S t) {
  S q = horner(t, 0x1.1d8ea6p-4, -0x1.d635bcp-4, 0x1.dea282p-4, -0x1.fcf4c6p-4, 0x1.23d21ap-3,
               -0x1.555b4ap-3, 0x1.999d5ap-3, -0x1.fffffcp-3, 0x1.555554p-2);
  S u = t * t;
  return fma(-0.5 * u, lit_like(t, 1), t * u * q);
}
/// log(1 + t) + e ln 2.
template <class S>
ETCH_INLINE S log_core(S t, S e) {
  S q = horner(t, 0x1.1d8ea6p-4, -0x1.d635bcp-4, 0x1.dea282p-4, -0x1.fcf4c6p-4, 0x1.23d21ap-3,
               -0x1.555b4ap-3, 0x1.999d5ap-3, -0x1.fffffcp-3, 0x1.555554p-2);
  S u = t * t;
  S lo = fma(lit_like(t, -0.5), u, fma(t * u, q, e * 0x1.7f7d1cp-20));
  return fma(e, 0x1.62e4p-1, t + lo);
}
/// The values of a logarithm of x where x is not positive and finite.
template <class S>
ETCH_INLINE S log_edges(S x, S y) {
  S edge = select(eq(x, 0), lit_like(x, -kInf), select(eq(x, kInf), x, lit_like(x, kNan)));
  return select(gt(x, 0) & lt(x, kInf), y, edge);
}

template <class S>
ETCH_INLINE S log(S x) {
  Split<S> s = split(x);
  return log_edges(x, log_core(s.t, s.e));
}

/// (log(1 + t) in two parts) * (c_hi + c_lo) + e * (d_hi + d_lo), e * d_hi exact.
template <class S>
ETCH_INLINE S log_base(S x, double c_hi, double c_lo, double d_hi, double d_lo) {
  Split<S> s = split(x);
  S tail = log_tail(s.t);
  S y = s.t * c_hi;
  S lo = fma(s.t, c_hi, -y) + fma(s.t, lit_like(x, c_lo), tail * c_hi);
  S big = s.e * d_hi;
  S sum = big + y;
  lo = lo + ((big - sum) + y);
  return log_edges(x, sum + fma(s.e, lit_like(x, d_lo), lo));
}
template <class S>
ETCH_INLINE S log2(S x) {
  return log_base(x, 0x1.715476p+0, 0x1.4ae0cp-26, 1, 0);
}
template <class S>
ETCH_INLINE S log10(S x) {
  return log_base(x, 0x1.bcb7b2p-2, -0x1.5b235ep-27, 0x1.344p-2, 0x1.3509f8p-18);
}

/// 1 + x = 2^e (1 + t): t = x 2^-e + (2^-e - 1) rounds once, where log(1 + x) has no cancellation.
template <class S>
ETCH_INLINE S log1p(S x) {
  S u = 1 + x;
  auto i = bitcast<int32_t>(u);
  auto n = (i - 0x3f3504f3) >> 23;
  S s = bitcast<float>((127 - n) << 23);
  S t = select(lt(u, 0x1p60), fma(x, s, s - 1), bitcast<float>(i - (n << 23)) - 1);
  return select(eq(x, 0), x, log_edges(u, log_core(t, cast<float>(n))));
}

/// 1 - 2 / (e^(2|x|) + 1), near 0 an odd polynomial.
template <class S>
ETCH_INLINE S tanh(S x) {
  S a = abs(x), u = a * a;
  S p = horner(u, -0x1.8f8de4p-8, 0x1.58048ep-6, -0x1.b9258ap-5, 0x1.110e1cp-3, -0x1.555552p-2);
  S near = fma(u * p, a, a);
  S far = 1 - 2 / (exp_normal(at_most(a + a, 80)) + 1);
  return copysign(select(lt(a, 0.625), near, far), x);
}

template <class S>
ETCH_INLINE S sinh(S x) {
  S a = abs(x), u = a * a;
  S p = horner(u, 0x1.76771ep-19, 0x1.a01c22p-13, 0x1.1110eap-7, 0x1.555556p-3);
  S near = fma(u * p, a, a);
  S e = exp_scaled(a, -1);
  return copysign(select(lt(a, 1), near, e - 0.25 / e), x);
}
template <class S>
ETCH_INLINE S cosh(S x) {
  S e = exp_scaled(abs(x), -1);
  return e + 0.25 / e;
}

/// Odd polynomial below 1, then 1 - e^R(|x|), which is 1 from 3.925 on.
template <class S>
ETCH_INLINE S erf(S x) {
  S a = abs(x), u = a * a;
  S p = horner(u, 0x1.4a569p-14, -0x1.a45088p-11, 0x1.54127p-8, -0x1.b7fabap-6, 0x1.ce2d1p-4,
               -0x1.81273ep-2, 0x1.06eba8p-3);
  S c = at_most(a, 3.925);
  S r = horner(c, -0x1.c7ef72p-17, 0x1.51dbecp-12, -0x1.c6aeb4p-9, 0x1.749878p-6, -0x1.a8401p-4,
               -0x1.470d12p-1, -0x1.204ac2p+0, -0x1.6ddbep-11);
  S far = 1 - exp_normal(r);
  return copysign(select(lt(a, 1), fma(p, a, a), far), x);
}

}  // namespace etch::ir::math::f32
