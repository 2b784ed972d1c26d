// AVX-512 vectors of f32 and f64 for the contraction kernels. Included by kernels_avx512.cpp only.
#pragma once

// GCC 12 warns about the _mm512_undefined values of its own intrinsics.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <cstdint>

namespace etch::runtime::contract::avx512 {

struct F32 {
  using T = float;
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int kWidth = 16, kMr = 12, kNv = 2;
  /// Whether a masked load costs what a plain one does; less code then.
  static constexpr bool kFreeMasks = true;

  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg set1(T v) { return _mm512_set1_ps(v); }
  static Reg load(const T* p) { return _mm512_loadu_ps(p); }
  static Reg load(const T* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static Reg merge_load(Reg v, const T* p, Mask m) { return _mm512_mask_loadu_ps(v, m, p); }
  static void store(T* p, Reg v) { _mm512_storeu_ps(p, v); }
  static void store(T* p, Reg v, Mask m) { _mm512_mask_storeu_ps(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  /// Lanes lo <= l < hi, for 0 <= lo and hi <= kWidth.
  static Mask lanes(int64_t lo, int64_t hi) {
    return lo >= hi ? Mask{0} : static_cast<Mask>(((1u << hi) - 1u) & ~((1u << lo) - 1u));
  }
  /// Lanes 0, 2, 4, ... of a followed by b.
  static Reg even(Reg a, Reg b) {
    const __m512i index =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, index, b);
  }
  /// Lanes 1, 3, 5, ... of a followed by b.
  static Reg odd(Reg a, Reg b) {
    const __m512i index =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(a, index, b);
  }
  static void transpose(Reg* r) {
    Reg t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512d a0 = _mm512_castps_pd(t[4 * i]), a1 = _mm512_castps_pd(t[4 * i + 1]);
      const __m512d b0 = _mm512_castps_pd(t[4 * i + 2]), b1 = _mm512_castps_pd(t[4 * i + 3]);
      r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a0, b0));
      r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a0, b0));
      r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(a1, b1));
      r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(a1, b1));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88);
      t[4 + i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xdd);
      t[8 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88);
      t[12 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      r[i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0x88);
      r[8 + i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0xdd);
      r[4 + i] = _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0x88);
      r[12 + i] = _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0xdd);
    }
  }
};

struct F64 {
  using T = double;
  using Reg = __m512d;
  using Mask = __mmask8;
  static constexpr int kWidth = 8, kMr = 12, kNv = 2;
  static constexpr bool kFreeMasks = true;

  static Reg zero() { return _mm512_setzero_pd(); }
  static Reg set1(T v) { return _mm512_set1_pd(v); }
  static Reg load(const T* p) { return _mm512_loadu_pd(p); }
  static Reg load(const T* p, Mask m) { return _mm512_maskz_loadu_pd(m, p); }
  static Reg merge_load(Reg v, const T* p, Mask m) { return _mm512_mask_loadu_pd(v, m, p); }
  static void store(T* p, Reg v) { _mm512_storeu_pd(p, v); }
  static void store(T* p, Reg v, Mask m) { _mm512_mask_storeu_pd(p, m, v); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_pd(a, b, c); }
  static Reg add(Reg a, Reg b) { return _mm512_add_pd(a, b); }
  static Mask lanes(int64_t lo, int64_t hi) { return static_cast<Mask>(F32::lanes(lo, hi)); }
  static Reg even(Reg a, Reg b) {
    return _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b);
  }
  static Reg odd(Reg a, Reg b) {
    return _mm512_permutex2var_pd(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b);
  }
  static void transpose(Reg* r) {
    Reg t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[2 * i] = _mm512_unpacklo_pd(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm512_unpackhi_pd(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      r[i] = _mm512_shuffle_f64x2(t[i], t[2 + i], 0x88);
      r[2 + i] = _mm512_shuffle_f64x2(t[i], t[2 + i], 0xdd);
      r[4 + i] = _mm512_shuffle_f64x2(t[4 + i], t[6 + i], 0x88);
      r[6 + i] = _mm512_shuffle_f64x2(t[4 + i], t[6 + i], 0xdd);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      t[i] = _mm512_shuffle_f64x2(r[i], r[4 + i], 0x88);
      t[4 + i] = _mm512_shuffle_f64x2(r[i], r[4 + i], 0xdd);
      t[2 + i] = _mm512_shuffle_f64x2(r[2 + i], r[6 + i], 0x88);
      t[6 + i] = _mm512_shuffle_f64x2(r[2 + i], r[6 + i], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) r[i] = t[i];
  }
};

}  // namespace etch::runtime::contract::avx512
