// Sixteen f32 at once with the scalar API of ir/scalar/native.h, for loops where AVX-512 has
// instructions that g++ does not find by itself. Included by loops_math_avx512.cpp only.
#pragma once

#include <immintrin.h>

#include "ir/math.h"

namespace etch::runtime::avx512 {

namespace {

struct Mask {
  __mmask16 v;
};
struct VecI {
  __m512i v;
};
struct Vec {
  __m512 v;
  using Value = float;
};

template <ir::Literal L>
ETCH_INLINE Vec lit_like(Vec, L x) {
  return {_mm512_set1_ps(static_cast<float>(x))};
}
ETCH_INLINE VecI ints(int x) { return {_mm512_set1_epi32(x)}; }
ETCH_INLINE Vec floats(VecI x) { return {_mm512_castsi512_ps(x.v)}; }
ETCH_INLINE VecI bits_of(Vec x) { return {_mm512_castps_si512(x.v)}; }

// clang-format off
ETCH_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
ETCH_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
ETCH_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
ETCH_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
ETCH_INLINE Vec operator-(Vec x) {
  return floats({_mm512_xor_si512(bits_of(x).v, ints(INT32_MIN).v)});
}
ETCH_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
ETCH_INLINE Vec abs(Vec x) { return {_mm512_abs_ps(x.v)}; }
ETCH_INLINE Vec copysign(Vec a, Vec b) {  // bit by bit: the sign from b, the rest from a
  return floats({_mm512_ternarylogic_epi32(ints(INT32_MIN).v, bits_of(b).v, bits_of(a).v, 0xca)});
}
ETCH_INLINE Mask lt(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
ETCH_INLINE Mask gt(Vec a, Vec b) { return lt(b, a); }
ETCH_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_ps(m.v, b.v, a.v)}; }

#define ETCH_VEC_LITERAL(fn)                                                                \
  template <ir::Literal L> ETCH_INLINE auto fn(Vec a, L b) { return fn(a, lit_like(a, b)); } \
  template <ir::Literal L> ETCH_INLINE auto fn(L a, Vec b) { return fn(lit_like(b, a), b); }
ETCH_VEC_LITERAL(operator+)
ETCH_VEC_LITERAL(operator-)
ETCH_VEC_LITERAL(operator*)
ETCH_VEC_LITERAL(operator/)
ETCH_VEC_LITERAL(lt)
ETCH_VEC_LITERAL(gt)
#undef ETCH_VEC_LITERAL
template <ir::Literal L> ETCH_INLINE Vec fma(Vec a, Vec b, L c) { return fma(a, b, lit_like(a, c)); }
template <ir::Literal L> ETCH_INLINE Vec fma(Vec a, L b, Vec c) { return fma(a, lit_like(a, b), c); }
template <ir::Literal L, ir::Literal M> ETCH_INLINE Vec fma(Vec a, L b, M c) {
  return fma(a, lit_like(a, b), lit_like(a, c));
}

// What ir/math_*.h writes in several steps and this processor does in one, with the same bits: these
// overloads are found by argument. Minimum and maximum give their second operand when one is NaN.
ETCH_INLINE Vec at_most(Vec x, double hi) { return {_mm512_maskz_min_ps(0xffff, lit_like(x, hi).v, x.v)}; }
ETCH_INLINE Vec clamp_nan(Vec x, double lo, double hi) {
  return at_most({_mm512_maskz_max_ps(0xffff, lit_like(x, lo).v, x.v)}, hi);
}
/// 2^k scales with one rounding, also into the denormals.
ETCH_INLINE Vec exp_normal(Vec x) {
  auto e = ir::math::f32::exp_parts(x);
  return {_mm512_maskz_scalef_ps(0xffff, e.y.v, (e.shifted - ir::math::f32::kShift).v)};
}
ETCH_INLINE Vec exp(Vec x) { return exp_normal(clamp_nan(x, -104, 91)); }

ETCH_INLINE Vec erf(Vec x) { return ir::math::f32::erf(x); }
ETCH_INLINE Vec tanh(Vec x) { return ir::math::f32::tanh(x); }
// clang-format on

struct VecExp {
  ETCH_INLINE static Vec run(Vec x) { return exp(x); }
};

/// The loop of Op over one or two operands; kScalar: the second is one element.
template <class Op, bool kScalar = false>
void sixteens(const LoopArgs& g) {
  auto* a = static_cast<const float*>(g.in[0]);
  auto* b = static_cast<const float*>(g.in[1]);
  auto* o = static_cast<float*>(g.out);
  constexpr bool kUnary = requires(Vec x) { Op::run(x); };
  const int64_t n = g.n;
  if (n <= 0) return;
  const Vec b0{kScalar ? _mm512_set1_ps(*b) : _mm512_setzero_ps()};
  auto step = [&](int64_t i, __mmask16 m) __attribute__((always_inline)) {
    const Vec x{_mm512_maskz_loadu_ps(m, a + i)};
    Vec y;
    if constexpr (kUnary)
      y = Op::run(x);
    else
      y = Op::run(x, kScalar ? b0 : Vec{_mm512_maskz_loadu_ps(m, b + i)});
    _mm512_mask_storeu_ps(o + i, m, y.v);
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) step(i, 0xffff);
  if (i < n) step(i, static_cast<__mmask16>((1u << (n - i)) - 1));
}

}  // namespace

}  // namespace etch::runtime::avx512
