// Math functions in f64: exponentials, logarithms, hyperbolic functions, powers.
// The structure is that of math_f32.h; integers of 64 bits stay unsigned, which every ISA has.
#pragma once

#include "ir/math_core.h"

namespace etch::ir::math::f64 {

inline constexpr double kShift = 0x1.8p52;
inline constexpr uint64_t kShiftBits = 0x4338000000000000;
inline constexpr uint64_t kOneBits = 0x3ff0000000000000;
inline constexpr uint64_t kToRootHalf = kOneBits - 0x3fe6a09e667f3bcd;  // 1 - sqrt(1/2) in patterns

/// e^(x + x_lo) * 2^extra for |x_lo| far below |x|.
template <class S>
ETCH_INLINE S exp_scaled(S x, S x_lo, int64_t extra) {
  S c = clamp_nan(x, -746, 712);
  S t = fma(c, 0x1.71547652b82fep+0, kShift);
  S k = t - kShift;
  auto ki = bitcast<uint64_t>(t) - (kShiftBits - static_cast<uint64_t>(extra));
  S a = fma(k, -0x1.62e42fefa38p-1, c);
  S r = fma(k, -0x1.ef35793c7673p-45, a);
  S lo = fma(k, lit_like(k, -0x1.ef35793c7673p-45), a - r) + x_lo;
  S p = horner(r, 0x1.ad1ed5a686094p-26, 0x1.289f82f01a315p-22, 0x1.71df560488407p-19,
               0x1.a019ab34990ccp-16, 0x1.a01a011bcda6fp-13, 0x1.6c16c17cc1076p-10,
               0x1.1111111128978p-7, 0x1.555555555320dp-5, 0x1.5555555555501p-3, 0.5);
  S e = fma(r * r, p, r);  // e^r - 1: what x_lo is worth besides itself
  return scale_f64(1 + (r + fma(r * r, p, fma(e, lo, lo))), ki);
}
template <class S>
ETCH_INLINE S exp(S x) {
  return exp_scaled(x, lit_like(x, 0), 0);
}

template <class S>
ETCH_INLINE S exp2(S x) {
  S c = clamp_nan(x, -1076, 1025);
  S t = c + kShift;
  S r = c - (t - kShift);
  S p = horner(r, 0x1.de49d623857dp-36, 0x1.eafdc2f7f8aa1p-32, 0x1.e4bbc00d2bdaap-28,
               0x1.b524232262315p-24, 0x1.62c027b683cf7p-20, 0x1.ffcbfcdb1c5bep-17,
               0x1.430912f7013a2p-13, 0x1.5d87fe7888dffp-10, 0x1.3b2ab6fba53b8p-7,
               0x1.c6b08d704a182p-5, 0x1.ebfbdff82c58dp-3, 0x1.62e42fefa39efp-1);
  return scale_f64(fma(p, r, 1), bitcast<uint64_t>(t) - kShiftBits);
}

template <class S>
ETCH_INLINE S expm1(S x) {
  S c = clamp_nan(x, -40, 712);
  S t = fma(c, 0x1.71547652b82fep+0, kShift);
  S k = t - kShift;
  auto ki = bitcast<uint64_t>(t) - kShiftBits;
  S a = fma(k, -0x1.62e42fefa38p-1, c);
  S r = fma(k, -0x1.ef35793c7673p-45, a);
  S lo = fma(k, lit_like(k, -0x1.ef35793c7673p-45), a - r);
  S p = horner(r, 0x1.1f040f93b952p-29, 0x1.af5f1b5d594a8p-26, 0x1.27e521d14d80cp-22,
               0x1.71ddf816b4139p-19, 0x1.a01a01872b115p-16, 0x1.a01a01b0019dep-13,
               0x1.6c16c16c1c0d3p-10, 0x1.111111110f657p-7, 0x1.555555555554ap-5,
               0x1.5555555555559p-3, 0.5);
  auto top = gt(k, 1024);
  S half = bitcast<double>((select(top, lit_like(ki, 1024), ki) + 1022) << 52);  // 2^(k-1)
  S y = fma(fma(r * r, p, fma(r, lo, lo)), half, fma(r, half, half - 0.5));
  y = select(top, lit_like(x, kInf), y + y);
  return select(lt(abs(x), 0x1p-70), x, y);
}

template <class S>
struct Split {
  S t, e;
};
/// The biased exponent n as a double, less 1023: without an integer conversion.
template <class S, class I>
ETCH_INLINE S exponent_value(S, I n) {
  return bitcast<double>(n | 0x4330000000000000) - (0x1p52 + 1023);
}
template <class S>
ETCH_INLINE Split<S> split(S x) {
  auto tiny = lt(x, 0x1p-1022);
  auto i = bitcast<uint64_t>(select(tiny, x * 0x1p54, x));
  auto n = (i + kToRootHalf) >> 52;
  S m = bitcast<double>(i - (n << 52) + kOneBits);
  return {m - 1, exponent_value(x, n) + select(tiny, lit_like(x, -54), lit_like(x, 0))};
}

/// log(1 + t) = t - h + s (h + R), h = t^2/2, s = t/(2 + t): the last two terms.
template <class S>
ETCH_INLINE S log_series(S t, S h) {
  S s = t / (t + 2);
  S z = s * s;
  S p = horner(z, 0x1.2f041b8e6ae61p-3, 0x1.39a1e2daf37a5p-3, 0x1.74663d04574f6p-3,
               0x1.c71c5214811cdp-3, 0x1.24924941e0829p-2, 0x1.999999997ff2bp-2,
               0x1.5555555555592p-1);
  return s * fma(z, p, h);
}
template <class S>
ETCH_INLINE S log_core(S t, S e, S t_lo) {
  S h = 0.5 * t * t;
  S rest = log_series(t, h) + fma(e, lit_like(e, 0x1.ef35793c7673p-45), t_lo);
  return fma(e, lit_like(e, 0x1.62e42fefa38p-1), t - (h - rest));
}
template <class S>
ETCH_INLINE S log_edges(S x, S y) {
  S edge = select(eq(x, 0), lit_like(x, -kInf), select(eq(x, kInf), x, lit_like(x, kNan)));
  return select(gt(x, 0) & lt(x, kInf), y, edge);
}
template <class S>
ETCH_INLINE S log(S x) {
  Split<S> s = split(x);
  return log_edges(x, log_core(s.t, s.e, lit_like(x, 0)));
}

template <class S>
ETCH_INLINE S log_base(S x, double c_hi, double c_lo, double d_hi, double d_lo) {
  Split<S> s = split(x);
  S h = 0.5 * s.t * s.t;
  S h_lo = fma(0.5 * s.t, s.t, -h);
  S hi = s.t - h;
  S lo = ((s.t - hi) - h) + (log_series(s.t, h) - h_lo);
  S y = hi * c_hi;
  S y_lo = fma(hi, c_hi, -y) + fma(hi, lit_like(x, c_lo), lo * c_hi);
  S big = s.e * d_hi;
  S sum = big + y;
  y_lo = y_lo + ((big - sum) + y);
  return log_edges(x, sum + fma(s.e, lit_like(x, d_lo), y_lo));
}
template <class S>
ETCH_INLINE S log2(S x) {
  return log_base(x, 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56, 1, 0);
}
template <class S>
ETCH_INLINE S log10(S x) {
  return log_base(x, 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57, 0x1.34413509f78p-2,
                  0x1.fef311f12b358p-46);
}

/// log(1 + x + x_lo) without edges, x > -1 finite.
template <class S>
ETCH_INLINE S log1p_core(S x, S x_lo) {
  S u = 1 + x;
  auto i = bitcast<uint64_t>(u);
  auto n = (i + kToRootHalf) >> 52;
  S s = bitcast<double>((2046 - n) << 52);
  S lo = s - 1;
  S t = fma(x, s, lo);
  S t_lo = fma(x, s, lo - t) + s * x_lo;
  S t_big = bitcast<double>(i - (n << 52) + kOneBits) - 1;
  auto small = lt(u, 0x1p200);
  t = select(small, t, t_big);
  t_lo = select(small, t_lo, lit_like(x, 0));
  return log_core(t, exponent_value(x, n), t_lo / (1 + t));
}
template <class S>
ETCH_INLINE S log1p(S x) {
  return select(eq(x, 0), x, log_edges(1 + x, log1p_core(x, lit_like(x, 0))));
}

template <class S>
ETCH_INLINE S tanh(S x) {
  S a = abs(x), u = a * a;
  S p = horner(u, -0x1.0da4a0f0b86p-16, 0x1.438fb8f54f75ep-14, -0x1.df54cb712c3bcp-13,
               0x1.3365faf254712p-11, -0x1.7d689f11f3df3p-10, 0x1.d6cf279954ce4p-9,
               -0x1.226e1627b6e15p-7, 0x1.664f477aa8e77p-6, -0x1.ba1ba1b504efap-5,
               0x1.111111110aca6p-3, -0x1.55555555554ffp-2);
  S near = fma(u * p, a, a);
  S far = 1 - 2 / (exp(a + a) + 1);
  return copysign(select(lt(a, 0.625), near, far), x);
}
template <class S>
ETCH_INLINE S sinh(S x) {
  S a = abs(x), u = a * a;
  S p = horner(u, 0x1.409579384599ap-48, 0x1.aab9951a7065bp-41, 0x1.612abe6b5d71ep-33,
               0x1.ae644b32db998p-26, 0x1.71de3a60a9f7dp-19, 0x1.a01a01a00db3ap-13,
               0x1.111111111117cp-7, 0x1.5555555555555p-3);
  S near = fma(u * p, a, a);
  S e = exp_scaled(a, lit_like(a, 0), -1);
  return copysign(select(lt(a, 1), near, e - 0.25 / e), x);
}
template <class S>
ETCH_INLINE S cosh(S x) {
  S e = exp_scaled(abs(x), lit_like(x, 0), -1);
  return e + 0.25 / e;
}

/// log(2a) for a finite a > 1.
template <class S>
ETCH_INLINE S log_core_large(S a) {
  Split<S> s = split(a);
  return log_core(s.t, s.e + 1, lit_like(a, 0));
}
/// Odd polynomial below 1/2, then log(a + sqrt(a^2 + 1)); above 2^30 the root is a itself.
template <class S>
ETCH_INLINE S asinh(S x) {
  S a = abs(x), u = a * a;
  S p = horner(u, 0x1.c2621d112e16ap-10, -0x1.3721df45d83eep-8, 0x1.e943e2c682dcbp-8,
               -0x1.386a2af2607eap-7, 0x1.7941e7f22d6e8p-7, -0x1.c972ea48f3ce3p-7,
               0x1.1c4d2f9b5ead3p-6, -0x1.6e8b8ca586192p-6, 0x1.f1c71ba9a4508p-6,
               -0x1.6db6db6ba6292p-5, 0x1.3333333330756p-4, -0x1.5555555555541p-3);
  S near = fma(u * p, a, a);
  auto huge = gt(a, 0x1p30);
  S root = select(huge, lit_like(x, 0), u / (1 + sqrt(u + 1)));
  S arg = a + root;
  S y = log1p_core(arg, (a - arg) + root);
  y = select(huge, log_core_large(a), y);
  return copysign(select(lt(a, 0.5), near, select(lt(a, kInf), y, a)), x);
}
template <class S>
ETCH_INLINE S acosh(S x) {
  S t = x - 1;
  auto huge = gt(x, 0x1p30);
  S square = t * (t + 2);
  S root = sqrt(square);
  S arg = t + root;
  // The root's own error, and that of the square, count where x is near 1.
  S square_lo = fma(t, t + 2, -square);
  S root_lo = (fma(-root, root, square) + square_lo) / (root + root);
  root_lo = select(gt(root, 0), root_lo, lit_like(x, 0));
  S big = max(t, root), small = min(t, root);
  S y = log1p_core(arg, ((big - arg) + small) + root_lo);
  y = select(huge, log_core_large(x), y);
  y = select(lt(x, kInf), y, x);
  return select(lt(x, 1), lit_like(x, kNan), y);
}
/// Odd polynomial below 1/2, then log1p(2a / (1 - a)) / 2, where 1 - a is exact.
template <class S>
ETCH_INLINE S atanh(S x) {
  S a = abs(x), u = a * a;
  S p =
      horner(u, 0x1.cc607545851fbp-3, -0x1.392fc5179a01fp-3, 0x1.28db0bcab45dap-3,
             0x1.dcf5905af56fp-7, 0x1.ea1977105f14bp-5, 0x1.d908da47554fbp-5, 0x1.118763590ea5ep-4,
             0x1.3b0b2979dd691p-4, 0x1.745d811dce9f7p-4, 0x1.c71c6e7e0cb75p-4, 0x1.2492492c409c6p-3,
             0x1.99999999878a3p-3, 0x1.55555555555ccp-2);
  S near = fma(u * p, a, a);
  S d = 1 - a, n = a + a;
  S q = n / d;
  S far = 0.5 * log1p_core(q, fma(-q, d, n) / d);
  S y = select(lt(a, 0.5), near, far);
  return copysign(select(lt(a, 1), y, select(eq(a, 1), lit_like(x, kInf), lit_like(x, kNan))), x);
}

/// log(x) for x positive and finite, relative error below 2^-64: 2s + 2/3 s^3 + s^5 P(s^2) with
/// s = t / (2 + t), the first two terms in two parts each.
template <class S>
ETCH_INLINE Pair<S> log_pair(S x) {
  Split<S> m = split(x);
  S t = m.t;
  S d = t + 2, d_lo = t - (d - 2);
  S s = t / d;
  S s_lo = fma(-s, d_lo, fma(-s, d, t)) / d;
  S z = s * s;
  S z_lo = fma(s, s, -z) + 2 * s * s_lo;
  S p = horner(z, 0x1.0e431a3cc47f4p-3, 0x1.0f7fe08912a63p-3, 0x1.3b1eec502348bp-3,
               0x1.745ce9e27fce6p-3, 0x1.c71c722d673p-3, 0x1.2492492457d62p-2, 0x1.9999999999b3p-2);
  S c = z * 0x1.5555555555555p-1;
  S c_lo = fma(z, 0x1.5555555555555p-1, -c) +
           fma(z, lit_like(x, 0x1.5555555555555p-55), z_lo * 0x1.5555555555555p-1);
  S q = z * z * p;
  S sum = c + q;
  c_lo = c_lo + ((c - sum) + q);
  S g = s * sum;
  S g_lo = fma(s, sum, -g) + fma(s, c_lo, s_lo * sum);
  S two = s + s;
  S l = two + g;
  S l_lo = ((two - l) + g) + (s_lo + s_lo + g_lo);
  S big = m.e * 0x1.62e42fefa38p-1;
  S hi = big + l;
  S lo = ((big - hi) + l) + fma(m.e, lit_like(x, 0x1.ef35793c7673p-45), l_lo);
  S out = hi + lo;
  return {out, (hi - out) + lo};
}

template <class S>
ETCH_INLINE S pow(S x, S y) {
  S a = abs(x);
  Pair<S> l = log_pair(a);
  S inf = lit_like(x, kInf);
  S hi = select(eq(a, 0), -inf, select(eq(a, kInf), inf, l.hi));
  hi = select(ne(x, x), lit_like(x, kNan), hi);
  S p = y * hi;
  S p_lo = fma(y, hi, -p) + y * l.lo;
  p_lo = select(lt(abs(p), 800), p_lo, lit_like(x, 0));
  S r = exp_scaled(p, p_lo, 0);
  auto whole = eq(rint(y), y);
  S half = 0.5 * y;
  auto odd = whole & ne(rint(half), half);
  r = select(odd, copysign(r, x), r);
  r = select(lt(x, 0) & gt(x, -kInf) & !whole, lit_like(x, kNan), r);
  auto one = eq(y, 0) | eq(x, 1) | (eq(x, -1) & eq(abs(y), kInf));
  return select(one, lit_like(x, 1), r);
}

/// Odd polynomial below 1.
template <class S>
ETCH_INLINE S erf_near(S x) {
  S u = x * x;
  S p = horner(u, 0x1.25ec3cb65512ap-34, -0x1.452ac54f53ebbp-30, 0x1.fc0d5c2ee7653p-27,
               -0x1.5f8e4d240cd84p-23, 0x1.b9ed71fb0f591p-20, -0x1.f4d31d85b4f19p-17,
               0x1.f9a3342152cf5p-14, -0x1.c02db49229b1fp-11, 0x1.565bcd126d6edp-8,
               -0x1.b82ce312ab0a3p-6, 0x1.ce2f21a04360fp-4, -0x1.812746b0379fdp-2,
               0x1.06eba8214db69p-3);
  return x * p;
}
/// erfc(a) for a in [0.45, 28] = e^(-a^2) g(t) / (1 + 2a), t = (a - 3) / (a + 3), a^2 in two parts.
template <class S>
ETCH_INLINE S erfc_far(S x) {
  S a = clamp_nan(x, 0, 28);
  S t = (a - 3) / (a + 3);
  S g = horner(
      t, -0x1.ad863970fd2bp-27, 0x1.58039d7ef773ep-26, 0x1.bfc251560806bp-24,
      -0x1.e9bdb85f76fe5p-24, -0x1.4db70a0e00ee4p-21, 0x1.68f44a062982bp-22, 0x1.d29d209001b17p-19,
      -0x1.8368838dc6a39p-21, -0x1.51439ab459815p-16, 0x1.4bf1bf69b61c3p-18, 0x1.065a80237fdcfp-13,
      -0x1.b911c5ff70391p-14, -0x1.98db542e30553p-11, 0x1.ef1bdbc79a7a9p-10, 0x1.4b884e583a079p-9,
      -0x1.8574c409ca459p-6, 0x1.17ca2877e8335p-4, -0x1.e88b803a4f314p-4, 0x1.098366a5b4881p-3,
      -0x1.85a15c58aa1bdp-5, -0x1.15c084bb9e8f6p-3, 0x1.40c522d7e4987p+0);
  S d = fma(a, 2, 1);
  S d_lo = fma(a, lit_like(a, 2), 1 - d);
  S q = g / d;
  S sq = a * a;
  S q_lo = fma(-q, d_lo, fma(-q, d, g)) / d;
  return exp_scaled(-sq, -fma(a, a, -sq), 60) * (q + q_lo) * 0x1p-60;
}
template <class S>
ETCH_INLINE S erf(S x) {
  S a = abs(x);
  return copysign(select(lt(a, 1), a + erf_near(a), 1 - erfc_far(a)), x);
}
template <class S>
ETCH_INLINE S erfc(S x) {
  S tail = erfc_far(abs(x));
  S out = select(lt(x, 0), 2 - tail, tail);
  return select(lt(abs(x), 0.5), 1 - x - erf_near(x), out);
}

}  // namespace etch::ir::math::f64
