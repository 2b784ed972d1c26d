// Trigonometric functions and their inverses in f32.
#pragma once

#include "ir/math_f32.h"

namespace etch::ir::math::f32 {

/// x = k pi/2 + hi + lo with |hi| <= pi/4; `quadrant` is k modulo 4 in its low bits.
template <class S, class I>
struct Reduced {
  S hi, lo;
  I quadrant;
};

/// |x| <= 1e5: k pi/2 in three parts. The first difference is exact, the second keeps its rest.
template <class S>
ETCH_INLINE auto reduce_small(S x) {
  S t = fma(x, 0x1.45f306p-1, kShift);
  S k = t - kShift;
  S a = fma(k, -0x1.921fb6p+0, x);
  S b = k * 0x1.777a5cp-25;
  Pair<S> r = two_sum(a, b);
  S lo = fma(k, 0x1.777a5cp-25, -b) + fma(k, 0x1.ee59dap-50, r.lo);
  auto q = bitcast<int32_t>(t);
  return Reduced<S, decltype(q)>{r.hi, lo, q};
}

/// Any finite |x| >= 2^-8: x = m 2^e, and m times the 96 bits of 2/pi that matter modulo 4, with 62
/// bits after the binary point (Payne and Hanek).
template <class S>
ETCH_INLINE auto reduce_large(S x) {
  auto i = bitcast<uint32_t>(abs(x));
  auto at = max((i >> 23), lit_like(i, 143)) - 143;  // where in 2/pi the window begins
  auto m = cast<uint64_t>((i & 0x7fffff) | 0x800000);
  auto word = at >> 5;
  auto s = cast<uint64_t>(at & 31);
  auto pick = [&](uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3) {
    auto low = select(eq(word, 0), lit_like(m, w0), lit_like(m, w1));
    auto high = select(eq(word, 2), lit_like(m, w2), lit_like(m, w3));
    return select(lt(word, 2), low, high);
  };
  auto a = pick(0x00517cc1b727220a, 0xb727220a94fe13ab, 0x94fe13abe8fa9a6e, 0xe8fa9a6ee06db14a);
  auto b = pick(0x94fe13abe8fa9a6e, 0xe8fa9a6ee06db14a, 0xe06db14acc9e21c8, 0xcc9e21c820ff28b1);
  auto w_hi = (a << s) | (b >> (64 - s));
  auto w_lo = (b << s) >> 32;
  auto p = m * w_hi + ((m * w_lo) >> 32);
  auto k = (p + (uint64_t{1} << 61)) >> 62;
  auto f = p - (k << 62);  // two's complement, 2^62 is pi/2
  auto d = cast<double>(bitcast<int32_t>(cast<uint32_t>(f >> 32))) * 0x1p-30 +
           cast<double>(bitcast<int32_t>(cast<uint32_t>((f & 0xffffffff) >> 1))) * 0x1p-61;
  auto r = d * 0x1.921fb54442d18p+0;
  S hi = cast<float>(r);
  S lo = cast<float>(r - cast<double>(hi));
  auto q = bitcast<int32_t>(cast<uint32_t>(k));
  auto negative = lt(x, 0);
  return Reduced<S, decltype(q)>{select(negative, -hi, hi), select(negative, -lo, lo),
                                 select(negative, -q, q)};
}

/// Beyond this the fast reduction is not used; loops may skip the other one below it.
inline constexpr double kTrigSmall = 1e5;

template <bool kAnySize, class S>
ETCH_INLINE auto reduce_angle(S x) {
  auto r = reduce_small(x);
  if constexpr (kAnySize) {
    auto big = reduce_large(x);
    auto use = gt(abs(x), kTrigSmall);
    r.hi = select(use, big.hi, r.hi);
    r.lo = select(use, big.lo, r.lo);
    r.quadrant = select(use, big.quadrant, r.quadrant);
    r.hi = select(eq(abs(x), kInf), lit_like(x, kNan), r.hi);
  }
  return r;
}

/// sin(hi + lo) and cos(hi + lo); the low part enters once.
template <class S>
ETCH_INLINE S sin_poly(S hi, S lo) {
  S u = hi * hi;
  S p = horner(u, 0x1.6da8ecp-19, -0x1.a01366p-13, 0x1.11110ep-7, -0x1.555556p-3);
  return hi + fma(u * hi, p, lo);
}
template <class S>
ETCH_INLINE S cos_poly(S hi, S lo) {
  S u = hi * hi;
  S p = horner(u, 0x1.9bc2d4p-16, -0x1.6c12aap-10, 0x1.555554p-5);
  S h = 1 - 0.5 * u;
  S rest = fma(lit_like(u, -0.5), u, 1 - h);
  return h + fma(u * u, p, fma(-hi, lo, rest));
}

/// shift 0: sine, 1: cosine. kAnySize = false is right for |x| <= kTrigSmall only.
template <bool kAnySize, class S>
ETCH_INLINE S sin_shifted(S x, int shift) {
  auto r = reduce_angle<kAnySize>(x);
  auto q = r.quadrant + shift;
  auto s = bitcast<int32_t>(sin_poly(r.hi, r.lo)), c = bitcast<int32_t>(cos_poly(r.hi, r.lo));
  S y = bitcast<float>(blend(s, c, -(q & 1)) ^ ((q & 2) << 30));
  return shift == 0 ? select(lt(abs(x), 0x1p-20), x, y) : y;
}
template <bool kAnySize, class S>
ETCH_INLINE S tan_sized(S x) {
  auto r = reduce_angle<kAnySize>(x);
  S u = r.hi * r.hi;
  S p = horner(u, 0x1.1e6b6p-8, 0x1.af6e06p-14, 0x1.62ad1cp-7, 0x1.5cc664p-6, 0x1.bad946p-5,
               0x1.110dap-3, 0x1.55556p-2);
  S rest = fma(u * r.hi, p, fma(r.lo, u, r.lo));
  S t = r.hi + rest;
  S t_lo = (r.hi - t) + rest;
  // -1/(t + t_lo) by one Newton step, which also takes the division's own rounding.
  S c = -1 / t;
  S fix = fma(c, t, 1) + c * t_lo;
  auto even = bitcast<int32_t>(t), odd = bitcast<int32_t>(fma(c, fix, c));
  S y = bitcast<float>(blend(even, odd, -(r.quadrant & 1)));
  return select(lt(abs(x), 0x1p-20), x, y);
}

template <class S>
ETCH_INLINE S sin(S x) {
  return sin_shifted<true>(x, 0);
}
template <class S>
ETCH_INLINE S cos(S x) {
  return sin_shifted<true>(x, 1);
}
template <class S>
ETCH_INLINE S tan(S x) {
  return tan_sized<true>(x);
}

/// (asin(s) - s) / s as a polynomial in z = s^2 <= 1/4.
template <class S>
ETCH_INLINE S asin_tail(S z) {
  return z * horner(z, 0x1.5959aap-5, 0x1.8c415ap-6, 0x1.747b72p-5, 0x1.330206p-4, 0x1.5555c8p-3);
}
/// Above 1/2: pi/2 - 2 asin(sqrt((1 - a) / 2)).
template <class S>
ETCH_INLINE S asin(S x) {
  S a = abs(x);
  auto big = gt(a, 0.5);
  S z = select(big, fma(a, -0.5, 0.5), a * a);
  S s = select(big, sqrt(z), a);
  S p = fma(s, asin_tail(z), s);
  S two = s + s, h = 0x1.921fb6p+0 - two;
  S far = h - (fma(two, asin_tail(z), lit_like(x, 0x1.777a5cp-25)) - ((0x1.921fb6p+0 - h) - two));
  return copysign(select(big, far, p), x);
}
template <class S>
ETCH_INLINE S acos(S x) {
  S a = abs(x);
  auto big = gt(a, 0.5);
  S z = select(big, fma(a, -0.5, 0.5), a * a);
  S s = select(big, sqrt(z), a);
  S tail = asin_tail(z);
  S p = 2 * fma(s, tail, s);
  S far = select(lt(x, 0), 0x1.921fb6p+1 - (p + 0x1.777a5cp-24), p);
  S near = 0x1.921fb6p+0 - (x + fma(x, tail, 0x1.777a5cp-25));
  return select(big, far, near);
}

/// atan(q) for q in [0, 1].
template <class S>
ETCH_INLINE S atan_unit(S q) {
  S z = q * q;
  S p = horner(z, -0x1.d5a1aap-10, 0x1.6551e2p-7, -0x1.fe7d24p-6, 0x1.da9c2ep-5, -0x1.5825f2p-4,
               0x1.c0946cp-4, -0x1.24211ap-3, 0x1.9991ecp-3, -0x1.55553ep-2);
  return fma(q * z, p, q);
}
template <class S>
ETCH_INLINE S atan(S x) {
  S a = abs(x);
  auto big = gt(a, 1);
  S p = atan_unit(select(big, 1 / a, a));
  return copysign(select(big, 0x1.921fb6p+0 - (p + 0x1.777a5cp-25), p), x);
}
template <class S>
ETCH_INLINE S atan2(S y, S x) {
  S ax = abs(x), ay = abs(y);
  auto steep = gt(ay, ax);
  S n = select(steep, ax, ay), d = select(steep, ay, ax);
  S q = n / d;
  q = select(eq(n, d), lit_like(x, 1), q);
  q = select(eq(d, 0), lit_like(x, 0), q);
  S r = atan_unit(q);
  r = select(steep, 0x1.921fb6p+0 - (r + 0x1.777a5cp-25), r);
  auto left = ne(bitcast<uint32_t>(x) >> 31, 0);
  r = select(left, 0x1.921fb6p+1 - (r + 0x1.777a5cp-24), r);
  r = select(ne(x, x) | ne(y, y), x + y, r);
  return copysign(r, y);
}

}  // namespace etch::ir::math::f32
