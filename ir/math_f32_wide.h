// f32 functions whose conditioning asks for more than 24 bits inside: they compute in f64, with
// polynomials just long enough for a result that is almost always the nearest f32.
#pragma once

#include "ir/math_f32.h"

namespace etch::ir::math::f32 {

/// log(2^e (1 + t)), relative error 2^-44. s = t / (2 + t), log(1 + t) = 2 atanh(s).
template <class D>
ETCH_INLINE D wide_log(D t, D e) {
  D s = t / (t + 2);
  D z = s * s;
  D p = horner(z, 0x1.91142f36059a7p-3, 0x1.c62b30f28aecap-3, 0x1.2494118ad32bp-2,
               0x1.999996aa5ad6bp-2, 0x1.555555561dcfdp-1);
  return fma(e, lit_like(e, 0x1.62e42fefa39efp-1), fma(s * z, p, s + s));
}

/// x >= 0, normal: x = 2^e m with m in [sqrt(1/2), sqrt(2)).
template <class D>
ETCH_INLINE Split<D> wide_split(D x) {
  auto i = bitcast<uint64_t>(x);
  auto n = (i + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd)) >> 52;  // e + 1023
  D m = bitcast<double>(i - (n << 52) + (uint64_t{1023} << 52));
  D e = bitcast<double>(n | 0x4330000000000000) - (0x1p52 + 1023);
  return {m - 1, e};
}

/// log(1 + x) for x >= 0, finite.
template <class D>
ETCH_INLINE D wide_log1p(D x) {
  D u = 1 + x;
  auto i = bitcast<uint64_t>(u);
  auto n = (i + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd)) >> 52;
  D s = bitcast<double>((2046 - n) << 52);
  D e = bitcast<double>(n | 0x4330000000000000) - (0x1p52 + 1023);
  return wide_log(fma(x, s, s - 1), e);
}

template <class S>
ETCH_INLINE S asinh(S x) {
  auto d = cast<double>(abs(x));
  auto w = d * d;
  auto y = wide_log1p(d + w / (1 + sqrt(w + 1)));
  return copysign(select(lt(abs(x), kInf), cast<float>(y), abs(x)), x);
}
template <class S>
ETCH_INLINE S acosh(S x) {
  auto t = cast<double>(x) - 1;
  auto y = wide_log1p(t + sqrt(t * (t + 2)));
  S inside = select(lt(x, kInf), cast<float>(y), x);
  return select(lt(x, 1), lit_like(x, kNan), inside);
}
template <class S>
ETCH_INLINE S atanh(S x) {
  S a = abs(x);
  auto d = cast<double>(a);
  S y = cast<float>(0.5 * wide_log1p(2 * d / (1 - d)));
  return copysign(select(lt(a, 1), y, select(eq(a, 1), lit_like(x, kInf), lit_like(x, kNan))), x);
}

/// 2^p for |p| <= 200, relative error 2^-34.
template <class D>
ETCH_INLINE D wide_exp2(D p) {
  D t = p + 0x1.8p52;
  D r = p - (t - 0x1.8p52);
  D y = horner(r, 0x1.fde5fd7cf2431p-17, 0x1.445c8406fade4p-13, 0x1.5d8a85ff5643dp-10,
               0x1.3b29f39d49c9cp-7, 0x1.c6b08ac06b006p-5, 0x1.ebfbe0778728ap-3,
               0x1.62e42ff0e1928p-1);
  auto k = bitcast<uint64_t>(t) - 0x4338000000000000;
  return fma(y, r, 1) * bitcast<double>((k + 1023) << 52);
}

/// Below 1/2: 1 - erf(x). Then e^(-a^2) g(t) / (1 + 2a) with t = (a - 2) / (a + 2).
template <class S>
ETCH_INLINE S erfc(S x) {
  auto a = clamp_nan(cast<double>(abs(x)), 0, 10.5);
  auto t = (a - 2) / (a + 2);
  auto g = horner(t, 0x1.91e9b32ce13c9p-14, 0x1.97e1c90dd55a7p-13, -0x1.b89d881d4c1c3p-12,
                  -0x1.7c19bd6ba55c6p-10, 0x1.4a9a8980fc822p-10, 0x1.1dc583680e484p-7,
                  -0x1.0735d4f6c2349p-7, -0x1.bc2b3e3830c29p-5, 0x1.4ffa11d014b9fp-3,
                  -0x1.5407bf8a728c1p-3, -0x1.7bf5eba787789p-4, 0x1.46e80e229d4fp+0);
  auto tail = wide_exp2(a * a * -0x1.71547652b82fep+0) * g / (1 + a + a);
  S out = cast<float>(select(cast<double>(x) < 0, 2 - tail, tail));
  S u = x * x;
  S p = horner(u, 0x1.4a569p-14, -0x1.a45088p-11, 0x1.54127p-8, -0x1.b7fabap-6, 0x1.ce2d1p-4,
               -0x1.81273ep-2, 0x1.06eba8p-3);
  return select(lt(abs(x), 0.5), 1 - fma(x, p, x), select(ne(x, x), x, out));
}

template <class S>
ETCH_INLINE S pow(S x, S y) {
  S a = abs(x);
  Split<decltype(cast<double>(x))> s = wide_split(cast<double>(a));
  auto l = wide_log(s.t, s.e) * 0x1.71547652b82fep+0;
  auto wide_inf = lit_like(l, kInf);
  l = select(eq(a, 0), -wide_inf, select(eq(a, kInf), wide_inf, l));
  l = select(ne(x, x), lit_like(l, kNan), l);
  auto p = clamp_nan(cast<double>(y) * l, -200, 200);
  S r = cast<float>(wide_exp2(p));
  auto whole = eq(rint(y), y);
  S half = 0.5 * y;
  auto odd = whole & ne(rint(half), half);
  r = select(odd, copysign(r, x), r);
  r = select(lt(x, 0) & gt(x, -kInf) & !whole, lit_like(x, kNan), r);
  auto one = eq(y, 0) | eq(x, 1) | (eq(x, -1) & eq(abs(y), kInf));
  return select(one, lit_like(x, 1), r);
}

}  // namespace etch::ir::math::f32
