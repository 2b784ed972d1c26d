// Depthwise convolution of one plane over a vector type V of one tier. Included inside the
// namespace of a tier by kernels_<tier>.cpp, never elsewhere.
#pragma once

/// kRows x kCols vectors at grid position (t, u): enough independent chains to hide fma latency.
template <class V, int kRows, int kCols>
void plane_tile(const PlaneConv<typename V::T>& s, int64_t t, int64_t u) {
  using T = typename V::T;
  typename V::Reg acc[kRows][kCols];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kCols; ++j) acc[i][j] = V::zero();
  }
  const T* base = s.src + t * s.sh * s.src_w + u;
  for (int64_t q = 0; q < s.taps; ++q) {
    const typename V::Reg w = V::set1(s.weight[q]);
    const T* from = base + s.off[q];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) {
        acc[i][j] = V::fma(w, V::load(from + i * s.sh * s.src_w + j * V::kWidth), acc[i][j]);
      }
    }
  }
  T* out = s.out + t * s.out_row + u;
#pragma GCC unroll 4
  for (int j = 0; j < kCols; ++j) {
    const int64_t left = s.grid_w - u - j * V::kWidth;
    const typename V::Mask mask = V::lanes(0, left < V::kWidth ? left : V::kWidth);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) V::store(out + i * s.out_row + j * V::kWidth, acc[i][j], mask);
  }
}

template <class V, int kRows, int kCols>
void plane_columns(const PlaneConv<typename V::T>& s, int64_t u) {
  int64_t t = 0;
  for (; t + kRows <= s.grid_h; t += kRows) plane_tile<V, kRows, kCols>(s, t, u);
  for (; t < s.grid_h; ++t) plane_tile<V, 1, kCols>(s, t, u);
}

template <class V>
void plane_conv(const PlaneConv<typename V::T>& s) {
  for (int64_t u = 0; u < s.grid_w;) {
    const int64_t vectors = (s.grid_w - u - 1) / V::kWidth + 1;
    if (vectors >= 4) {
      plane_columns<V, 2, 4>(s, u);
      u += 4 * V::kWidth;
    } else if (vectors >= 2) {
      plane_columns<V, 4, 2>(s, u);
      u += 2 * V::kWidth;
    } else {
      plane_columns<V, 8, 1>(s, u);
      u += V::kWidth;
    }
  }
}
