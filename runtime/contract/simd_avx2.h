// AVX2 + FMA vectors of f32 and f64 for the contraction kernels. Included by kernels_avx2.cpp only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace etch::runtime::contract::avx2 {

struct F32 {
  using T = float;
  using Reg = __m256;
  using Mask = __m256i;
  static constexpr int kWidth = 8, kMr = 6, kNv = 2;
  /// Whether a masked load costs what a plain one does; less code then.
  static constexpr bool kFreeMasks = false;

  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg set1(T v) { return _mm256_set1_ps(v); }
  static Reg load(const T* p) { return _mm256_loadu_ps(p); }
  static Reg load(const T* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static Reg merge_load(Reg v, const T* p, Mask m) {
    return _mm256_blendv_ps(v, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
  }
  static void store(T* p, Reg v) { _mm256_storeu_ps(p, v); }
  static void store(T* p, Reg v, Mask m) { _mm256_maskstore_ps(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  /// Lanes lo <= l < hi, for 0 <= lo and hi <= kWidth.
  static Mask lanes(int64_t lo, int64_t hi) {
    const __m256i l = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(hi)), l);
    const __m256i under = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(lo)), l);
    return _mm256_andnot_si256(under, below);
  }
  /// Lanes 0, 2, 4, ... of a followed by b.
  static Reg even(Reg a, Reg b) {
    const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
  }
  /// Lanes 1, 3, 5, ... of a followed by b.
  static Reg odd(Reg a, Reg b) {
    const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
  }
  static void transpose(Reg* r) {
    Reg t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
      r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
      r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
      r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x20);
      t[4 + i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) r[i] = t[i];
  }
};

struct F64 {
  using T = double;
  using Reg = __m256d;
  using Mask = __m256i;
  static constexpr int kWidth = 4, kMr = 6, kNv = 2;
  static constexpr bool kFreeMasks = false;

  static Reg zero() { return _mm256_setzero_pd(); }
  static Reg set1(T v) { return _mm256_set1_pd(v); }
  static Reg load(const T* p) { return _mm256_loadu_pd(p); }
  static Reg load(const T* p, Mask m) { return _mm256_maskload_pd(p, m); }
  static Reg merge_load(Reg v, const T* p, Mask m) {
    return _mm256_blendv_pd(v, _mm256_maskload_pd(p, m), _mm256_castsi256_pd(m));
  }
  static void store(T* p, Reg v) { _mm256_storeu_pd(p, v); }
  static void store(T* p, Reg v, Mask m) { _mm256_maskstore_pd(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_pd(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm256_add_pd(a, b); }
  static Mask lanes(int64_t lo, int64_t hi) {
    const __m256i l = _mm256_setr_epi64x(0, 1, 2, 3);
    const __m256i below = _mm256_cmpgt_epi64(_mm256_set1_epi64x(hi), l);
    const __m256i under = _mm256_cmpgt_epi64(_mm256_set1_epi64x(lo), l);
    return _mm256_andnot_si256(under, below);
  }
  static Reg even(Reg a, Reg b) { return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xd8); }
  static Reg odd(Reg a, Reg b) { return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xd8); }
  static void transpose(Reg* r) {
    const Reg a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
    const Reg c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(a, c, 0x20);
    r[1] = _mm256_permute2f128_pd(b, d, 0x20);
    r[2] = _mm256_permute2f128_pd(a, c, 0x31);
    r[3] = _mm256_permute2f128_pd(b, d, 0x31);
  }
};

}  // namespace etch::runtime::contract::avx2
