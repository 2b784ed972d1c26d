// Kernels as a patient person would write them: one pass, explicit 512-bit vectors, rows in L1
// while they are needed twice. Their functions are those of ir/math.h on a vector scalar.

// GCC 12 takes the intrinsics' undefined pass-through operands for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "bench/kernel_bench_hand.h"

#include <immintrin.h>

#include "ir/math.h"

namespace etch::bench {

namespace {

#define INLINE inline __attribute__((always_inline))

/// Sixteen floats, integers or truth values with the scalar interface that ir/math.h asks for.
struct V {
  __m512 v;
  using Value = float;
};
struct I {
  __m512i v;
};
struct M {
  __mmask16 v;
};

template <class L>
concept Number = std::is_arithmetic_v<L>;

template <Number L>
INLINE V lit_like(V, L x) {
  return {_mm512_set1_ps(static_cast<float>(x))};
}
template <Number L>
INLINE I lit_like(I, L x) {
  return {_mm512_set1_epi32(static_cast<int>(x))};
}

INLINE V operator+(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
INLINE V operator-(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
INLINE V operator*(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
INLINE V operator/(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
INLINE V operator-(V x) { return {_mm512_xor_ps(x.v, _mm512_set1_ps(-0.0f))}; }
INLINE I operator+(I a, I b) { return {_mm512_add_epi32(a.v, b.v)}; }
INLINE I operator-(I a, I b) { return {_mm512_sub_epi32(a.v, b.v)}; }
INLINE I operator<<(I a, int n) { return {_mm512_slli_epi32(a.v, static_cast<unsigned>(n))}; }
INLINE I operator>>(I a, int n) { return {_mm512_srai_epi32(a.v, static_cast<unsigned>(n))}; }
INLINE M lt(V a, V b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
INLINE M gt(V a, V b) { return lt(b, a); }
INLINE V select(M c, V a, V b) { return {_mm512_mask_blend_ps(c.v, b.v, a.v)}; }

#define WITH_NUMBER(T, fn)        \
  template <Number L>             \
  INLINE auto fn(T a, L b) {      \
    return fn(a, lit_like(a, b)); \
  }                               \
  template <Number L>             \
  INLINE auto fn(L a, T b) {      \
    return fn(lit_like(b, a), b); \
  }
WITH_NUMBER(V, operator+)
WITH_NUMBER(V, operator-)
WITH_NUMBER(V, operator*)
WITH_NUMBER(V, operator/)
WITH_NUMBER(V, lt)
WITH_NUMBER(V, gt)
WITH_NUMBER(I, operator+)
WITH_NUMBER(I, operator-)
#undef WITH_NUMBER

INLINE V fma(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
template <Number L>
INLINE V fma(V a, V b, L c) {
  return fma(a, b, lit_like(a, c));
}
template <Number L>
INLINE V fma(V a, L b, V c) {
  return fma(a, lit_like(a, b), c);
}
template <Number L, Number N>
INLINE V fma(V a, L b, N c) {
  return fma(a, lit_like(a, b), lit_like(a, c));
}
INLINE V abs(V x) { return {_mm512_abs_ps(x.v)}; }
INLINE V sqrt(V x) { return {_mm512_sqrt_ps(x.v)}; }
INLINE V copysign(V a, V b) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(sign, a.v), _mm512_and_ps(sign, b.v))};
}
template <class To>
INLINE I bitcast(V x)
  requires std::is_same_v<To, int32_t>
{
  return {_mm512_castps_si512(x.v)};
}
template <class To>
INLINE V bitcast(I x)
  requires std::is_same_v<To, float>
{
  return {_mm512_castsi512_ps(x.v)};
}

// Two steps of the functions have instructions of their own, with the same bits.

/// The operand order lets NaN pass.
INLINE V clamp_nan(V x, double lo, double hi) {
  const V above = {_mm512_max_ps(lit_like(x, lo).v, x.v)};
  return {_mm512_min_ps(lit_like(x, hi).v, above.v)};
}
/// x 2^k, rounded once.
INLINE V scale_f32(V x, I k) { return {_mm512_scalef_ps(x.v, _mm512_cvtepi32_ps(k.v))}; }

namespace math = ir::math::f32;

INLINE V sigmoid(V x) { return 1 / (1 + math::exp(-x)); }
INLINE V set(float x) { return {_mm512_set1_ps(x)}; }
INLINE V load(const float* p) { return {_mm512_loadu_ps(p)}; }
template <bool kStream>
INLINE void store(float* p, V x) {
  if constexpr (kStream) {
    _mm512_stream_ps(p, x.v);
  } else {
    _mm512_storeu_ps(p, x.v);
  }
}

/// NaN if either is NaN, +0 above -0.
INLINE V larger(V a, V b) {
  const __m512 m = _mm512_range_ps(a.v, b.v, 5);
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, b.v, _CMP_UNORD_Q);
  return {_mm512_mask_add_ps(m, nan, a.v, b.v)};
}
struct Largest {
  INLINE V operator()(V a, V b) const { return larger(a, b); }
};
struct Sum {
  INLINE V operator()(V a, V b) const { return a + b; }
};

/// The 64 lanes of a canonical reduction, folded pairwise at distances 32, 16, ... 1.
template <class F>
INLINE float fold(V a0, V a1, V a2, V a3, F f) {
  V x = f(f(a0, a2), f(a1, a3));
  x = f(x, V{_mm512_shuffle_f32x4(x.v, x.v, 0b1110)});
  x = f(x, V{_mm512_shuffle_f32x4(x.v, x.v, 0b01)});
  x = f(x, V{_mm512_permute_ps(x.v, 0b1110)});
  x = f(x, V{_mm512_permute_ps(x.v, 0b01)});
  return _mm512_cvtss_f32(x.v);
}

/// f over a row of n = 64 k elements in canonical order; at most one chunk of 4096.
template <class Reduce, class F>
INLINE float reduce_row(int64_t n, Reduce r, F element) {
  V a0 = element(0), a1 = element(16), a2 = element(32), a3 = element(48);
  for (int64_t i = 64; i < n; i += 64) {
    a0 = r(a0, element(i));
    a1 = r(a1, element(i + 16));
    a2 = r(a2, element(i + 32));
    a3 = r(a3, element(i + 48));
  }
  return fold(a0, a1, a2, a3, r);
}

template <bool kStream, class F>
INLINE void each(const Operands& o, float* out, F f) {
  for (int64_t r = 0; r < o.rows; ++r) {
    const int64_t at = r * o.cols;
    for (int64_t i = 0; i < o.cols; i += 32) {
      const V first = f(at + i, i), second = f(at + i + 16, i + 16);
      store<kStream>(out + at + i, first);
      store<kStream>(out + at + i + 16, second);
    }
  }
}

template <bool kStream>
void gelu(const Operands& o, float* out) {
  each<kStream>(o, out, [&](int64_t at, int64_t i) {
    const V x = load(o.x + at) * load(o.w + i) + load(o.b + i);
    return x * 0.5 * (math::erf(x * 0.70710678118654752440) + 1);
  });
}

template <bool kStream>
void swiglu(const Operands& o, float* out) {
  each<kStream>(o, out, [&](int64_t at, int64_t) {
    const V x = load(o.x + at);
    return x * sigmoid(x) * load(o.y + at);
  });
}

template <bool kStream>
void mask(const Operands& o, float* out) {
  each<kStream>(o, out, [&](int64_t at, int64_t i) {
    const V x = load(o.x + at) + load(o.b + i);
    return select(lt(x, 0), set(0), x) * load(o.m + at) * (1 / 0.9);
  });
}

template <bool kStream>
void pointwise8(const Operands& o, float* out) {
  each<kStream>(o, out, [&](int64_t at, int64_t i) {
    const V x = load(o.x + at);
    return math::tanh(sigmoid(x) * load(o.y + at) + math::exp(x * x * -1)) * load(o.w + i);
  });
}

void adam(const Operands& o) {
  const int64_t n = o.numel();
  for (int64_t i = 0; i < n; i += 16) {
    const V g = load(o.x + i);
    const V first = load(o.first + i) * 0.9 + g * 0.1;
    const V second = load(o.second + i) * 0.999 + g * g * 0.001;
    store<false>(o.first + i, first);
    store<false>(o.second + i, second);
    const V root = sqrt(second) / 0.9 + 1e-8;
    store<false>(o.p + i, load(o.p + i) - first / root * 1e-3);
  }
}

template <bool kStream>
void layer_norm(const Operands& o, float* out) {
  const int64_t n = o.cols;
  const V count = set(static_cast<float>(n));
  for (int64_t r = 0; r < o.rows; ++r) {
    const float* x = o.x + r * n;
    const V mean = set(reduce_row(n, Sum{}, [&](int64_t i) { return load(x + i); })) / count;
    const V square = set(reduce_row(n, Sum{}, [&](int64_t i) {
      const V d = load(x + i) - mean;
      return d * d;
    }));
    const V scale = 1 / sqrt(square / count + 1e-5);
    for (int64_t i = 0; i < n; i += 16) {
      store<kStream>(out + r * n + i, (load(x + i) - mean) * scale * load(o.w + i) + load(o.b + i));
    }
  }
}

template <bool kStream>
void softmax(const Operands& o, float* out) {
  const int64_t n = o.cols;
  alignas(64) float row[4096];
  for (int64_t r = 0; r < o.rows; ++r) {
    const float* x = o.x + r * n;
    const V most = set(reduce_row(n, Largest{}, [&](int64_t i) { return load(x + i); }));
    const V sum = set(reduce_row(n, Sum{}, [&](int64_t i) {
      const V e = math::exp(load(x + i) - most);
      store<false>(row + i, e);
      return e;
    }));
    for (int64_t i = 0; i < n; i += 16) store<kStream>(out + r * n + i, load(row + i) / sum);
  }
}

template <bool kStream>
void run(Graph graph, const Operands& o, float* out) {
  switch (graph) {
    case Graph::Gelu:
      return gelu<kStream>(o, out);
    case Graph::Swiglu:
      return swiglu<kStream>(o, out);
    case Graph::Mask:
      return mask<kStream>(o, out);
    case Graph::Pointwise8:
      return pointwise8<kStream>(o, out);
    case Graph::Adam:
      return adam(o);
    case Graph::LayerNorm:
      return layer_norm<kStream>(o, out);
    case Graph::Softmax:
      return softmax<kStream>(o, out);
  }
}

}  // namespace

void hand_kernel(Graph graph, const Operands& o, float* out, bool stream) {
  if (stream) {
    run<true>(graph, o, out);
    _mm_sfence();
  } else {
    run<false>(graph, o, out);
  }
}

}  // namespace etch::bench
