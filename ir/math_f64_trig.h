// Trigonometric functions and their inverses in f64.
#pragma once

#include "ir/math_f64.h"

namespace etch::ir::math::f64 {

/// x = k pi/2 + hi + lo with |hi| <= pi/4; `quadrant` is k modulo 4 in its low bits.
template <class S, class I>
struct Reduced {
  S hi, lo;
  I quadrant;
};

inline constexpr double kHalfPi = 0x1.921fb54442d18p+0;
inline constexpr double kHalfPiLo = 0x1.1a62633145c07p-54;

/// |x| <= 2^40: pi/2 in three parts. The first difference is exact, the second keeps its rest.
template <class S>
ETCH_INLINE auto reduce_small(S x) {
  S t = fma(x, 0x1.45f306dc9c883p-1, kShift);
  S k = t - kShift;
  S a = fma(k, -kHalfPi, x);
  S b = k * -kHalfPiLo;
  Pair<S> r = two_sum(a, b);
  S lo = fma(k, -kHalfPiLo, -b) + fma(k, 0x1.f1976b7ed8fbcp-110, r.lo);
  auto q = bitcast<uint64_t>(t);
  return Reduced<S, decltype(q)>{r.hi, lo, q};
}

/// The high half of the 128-bit product.
template <class I>
ETCH_INLINE I mul_high(I a, I b) {
  I a_hi = a >> 32, a_lo = a & 0xffffffff, b_hi = b >> 32, b_lo = b & 0xffffffff;
  I cross = a_lo * b_hi, other = a_hi * b_lo;
  I mid = ((a_lo * b_lo) >> 32) + (cross & 0xffffffff) + (other & 0xffffffff);
  return a_hi * b_hi + (cross >> 32) + (other >> 32) + (mid >> 32);
}

/// Three 64-bit words of 2/pi behind 14 zero bits, from bit `at` < 1024 on: a tree of choices.
template <class I>
struct Window {
  I top, mid, low;
};
template <class I>
ETCH_INLINE Window<I> two_over_pi(I at) {
  constexpr uint64_t w[19] = {
      0x00028be60db93910, 0x54a7f09d5f47d4d3, 0x77036d8a5664f10e, 0x4107f9458eaf7aef,
      0x1586dc91b8e90937, 0x4b801924bba82746, 0x4873f877ac72c4a6, 0x9cfba208d7d4baed,
      0x1213a671c09ad17d, 0xf904e64758e60d4c, 0xe7d272117e2ef7e4, 0xa0ec7fe25fff7816,
      0x603fbcbc462d6829, 0xb47db4d9fb3c9f2c, 0x26dd3d18fd9a797f, 0xa8b5d49eeb1faf97,
      0xc5ecf41ce7de294a, 0x4ba9afed7ec47e35, 0x7421580cc11bf1ed};
  I b3 = -((at >> 9) & 1), b2 = -((at >> 8) & 1), b1 = -((at >> 7) & 1), b0 = -((at >> 6) & 1);
  auto far = [&](int i) { return (b3 & (w[i] ^ w[i + 8])) ^ w[i]; };
  I c0 = far(0), c1 = far(1), c2 = far(2), c3 = far(3), c4 = far(4), c5 = far(5);
  I c6 = far(6), c7 = far(7), c8 = far(8), c9 = far(9), c10 = far(10);
  I d0 = blend(c0, c4, b2), d1 = blend(c1, c5, b2), d2 = blend(c2, c6, b2);
  I d3 = blend(c3, c7, b2), d4 = blend(c4, c8, b2), d5 = blend(c5, c9, b2);
  I d6 = blend(c6, c10, b2);
  I e0 = blend(d0, d2, b1), e1 = blend(d1, d3, b1), e2 = blend(d2, d4, b1);
  I e3 = blend(d3, d5, b1), e4 = blend(d4, d6, b1);
  I f0 = blend(e0, e1, b0), f1 = blend(e1, e2, b0), f2 = blend(e2, e3, b0);
  I f3 = blend(e3, e4, b0);
  I s = at & 63, back = 64 - s;
  return {(f0 << s) | (f1 >> back), (f1 << s) | (f2 >> back), (f2 << s) | (f3 >> back)};
}

/// An integer below 2^32, held in 64 bits, as a double.
template <class I>
ETCH_INLINE auto small_value(I n) {
  return bitcast<double>(n | 0x4330000000000000) - 0x1p52;
}

/// Any finite |x| >= 2^40: x = m 2^e, and m times the 192 bits of 2/pi that matter modulo 4, of
/// which 2 + 126 are kept (Payne and Hanek).
template <class S>
ETCH_INLINE auto reduce_large(S x) {
  auto i = bitcast<uint64_t>(abs(x));
  auto at = max(i >> 52, lit_like(i, 1063)) - 1063;
  auto m = (i & 0xfffffffffffff) | 0x10000000000000;
  auto w = two_over_pi(at);
  auto low = m * w.mid + mul_high(m, w.low);
  auto carry = select(lt(low, m * w.mid), lit_like(i, 1), lit_like(i, 0));
  auto top = m * w.top + mul_high(m, w.mid) + carry;
  auto k = (top + (uint64_t{1} << 61)) >> 62;
  auto f = top - (k << 62);
  auto negative = -(f >> 63);  // all ones: complement, 2^-126 short of the negative
  f = f ^ negative;
  low = low ^ negative;
  S a = small_value(f >> 32) * 0x1p-30, b = small_value(f & 0xffffffff) * 0x1p-62;
  S h = a + b;
  S l =
      ((a - h) + b) + (small_value(low >> 32) * 0x1p-94 + small_value(low & 0xffffffff) * 0x1p-126);
  S d = h + l;
  S d_lo = (h - d) + l;
  S hi = d * kHalfPi;
  S lo = fma(d, kHalfPi, -hi) + fma(d, lit_like(d, kHalfPiLo), d_lo * kHalfPi);
  auto minus = -(bitcast<uint64_t>(x) >> 63);
  auto flip = (negative ^ minus) << 63;
  return Reduced<S, decltype(k)>{bitcast<double>(bitcast<uint64_t>(hi) ^ flip),
                                 bitcast<double>(bitcast<uint64_t>(lo) ^ flip),
                                 (k ^ minus) - minus};
}

/// Beyond this the fast reduction is not used; loops may skip the other one below it.
inline constexpr double kTrigSmall = 0x1p40;

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

template <class S>
ETCH_INLINE S sin_poly(S hi, S lo) {
  S u = hi * hi;
  S p = horner(u, 0x1.5d8e3511cda67p-33, -0x1.ae5e5471f55p-26, 0x1.71de355f05599p-19,
               -0x1.a01a019bf222ep-13, 0x1.111111110f75dp-7, -0x1.5555555555548p-3);
  return hi + fma(u * hi, p, fma(-0.5 * u, lo, lo));
}
template <class S>
ETCH_INLINE S cos_poly(S hi, S lo) {
  S u = hi * hi;
  S p = horner(u, -0x1.8fa681e385241p-37, 0x1.1ee9dbd0d86a6p-29, -0x1.27e4f7f19d4b2p-22,
               0x1.a01a019c8f3eep-16, -0x1.6c16c16c15016p-10, 0x1.555555555554bp-5);
  S h = 1 - 0.5 * u;
  S rest = fma(lit_like(u, -0.5), u, 1 - h);
  return h + fma(u * u, p, fma(-hi, lo, rest));
}

/// shift 0: sine, 1: cosine. kAnySize = false is right for |x| <= kTrigSmall only.
template <bool kAnySize, class S>
ETCH_INLINE S sin_shifted(S x, int shift) {
  auto r = reduce_angle<kAnySize>(x);
  auto q = r.quadrant + shift;
  auto s = bitcast<uint64_t>(sin_poly(r.hi, r.lo)), c = bitcast<uint64_t>(cos_poly(r.hi, r.lo));
  S y = bitcast<double>(blend(s, c, -(q & 1)) ^ ((q & 2) << 62));
  return shift == 0 ? select(lt(abs(x), 0x1p-40), x, y) : y;
}
template <bool kAnySize, class S>
ETCH_INLINE S tan_sized(S x) {
  auto r = reduce_angle<kAnySize>(x);
  S u = r.hi * r.hi;
  S p = horner(u, 0x1.45a4584cd276cp-17, -0x1.901ed1c0c76ddp-16, 0x1.90c1516206b63p-15,
               -0x1.9ca0db021c166p-16, 0x1.167a0b06a0c54p-14, 0x1.606572d069ec4p-14,
               0x1.fecd718d27559p-13, 0x1.34c2fe3fb31f5p-11, 0x1.7db0db73cb49cp-10,
               0x1.d6d2f4961d1d1p-9, 0x1.226e3a2ffaf04p-7, 0x1.664f485fc4558p-6,
               0x1.ba1ba1bab2331p-5, 0x1.11111111106dep-3, 0x1.555555555555dp-2);
  S rest = fma(u * r.hi, p, fma(r.lo, u, r.lo));
  S t = r.hi + rest;
  S t_lo = (r.hi - t) + rest;
  // -1/(t + t_lo) by one Newton step, which also takes the division's own rounding.
  S c = -1 / t;
  S fix = fma(c, t, 1) + c * t_lo;
  auto even = bitcast<uint64_t>(t), odd = bitcast<uint64_t>(fma(c, fix, c));
  S y = bitcast<double>(blend(even, odd, -(r.quadrant & 1)));
  return select(lt(abs(x), 0x1p-40), x, y);
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
  return z * horner(z, 0x1.056d6c811e11dp-5, -0x1.09d3283359a11p-6, 0x1.3ff4a9908c2fbp-6,
                    0x1.abcf5cd7f156ep-8, 0x1.8ec2fca60060dp-7, 0x1.c6fdc1aaa597cp-7,
                    0x1.1c6be1a68770cp-6, 0x1.6e89f440197a8p-6, 0x1.f1c72c38fb342p-6,
                    0x1.6db6db427a4f8p-5, 0x1.333333336e80fp-4, 0x1.555555555539p-3);
}
template <class S>
ETCH_INLINE S asin(S x) {
  S a = abs(x);
  auto big = gt(a, 0.5);
  S z = select(big, fma(a, -0.5, 0.5), a * a);
  S s = select(big, sqrt(z), a);
  S p = fma(s, asin_tail(z), s);
  S two = s + s, h = kHalfPi - two;
  S far = h - (fma(two, asin_tail(z), lit_like(x, -kHalfPiLo)) - ((kHalfPi - h) - two));
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
  S far = select(lt(x, 0), 2 * kHalfPi - (p - 2 * kHalfPiLo), p);
  S near = kHalfPi - (x + fma(x, tail, -kHalfPiLo));
  return select(big, far, near);
}

/// atan(q) - q for q in [0, 1].
template <class S>
ETCH_INLINE S atan_tail(S q) {
  S z = q * q;
  S p = horner(
      z, -0x1.53e5c943fcb72p-16, 0x1.d3bb114143b65p-13, -0x1.312a3f0e71ebep-10,
      0x1.f96cc734beb9bp-9, -0x1.2cf76bf2540fcp-7, 0x1.162c3d98154c6p-6, -0x1.a726a91b7190fp-6,
      0x1.1715db01a0e8ep-5, -0x1.4f4521ca58d07p-5, 0x1.7ee3f62d7aa55p-5, -0x1.ad32ba4e0d1bep-5,
      0x1.e1781735b8a31p-5, -0x1.11089d02de0f5p-4, 0x1.3b12b2e8e2d49p-4, -0x1.745d02310537cp-4,
      0x1.c71c709e19f6ap-4, -0x1.2492491fa2135p-3, 0x1.999999998411p-3, -0x1.555555555544cp-2);
  return q * z * p;
}
template <class S>
ETCH_INLINE S atan(S x) {
  S a = abs(x);
  auto big = gt(a, 1);
  S q = select(big, 1 / a, a);
  S tail = atan_tail(q);
  S far = kHalfPi - (q + (tail - kHalfPiLo));
  return copysign(select(big, far, q + tail), x);
}
template <class S>
ETCH_INLINE S atan2(S y, S x) {
  S ax = abs(x), ay = abs(y);
  auto steep = gt(ay, ax);
  S n = select(steep, ax, ay), d = select(steep, ay, ax);
  S q = n / d;
  q = select(eq(n, d), lit_like(x, 1), q);
  q = select(eq(d, 0), lit_like(x, 0), q);
  S r = q + atan_tail(q);
  r = select(steep, kHalfPi - (r - kHalfPiLo), r);
  auto left = ne(bitcast<uint64_t>(x) >> 63, 0);
  r = select(left, 2 * kHalfPi - (r - 2 * kHalfPiLo), r);
  r = select(ne(x, x) | ne(y, y), x + y, r);
  return copysign(r, y);
}

}  // namespace etch::ir::math::f64
