// Depthwise convolution over a vector type V of one tier: results of one plane, and sums for
// weights with channels in the lanes. Included inside the namespace of a tier by
// kernels_<tier>.cpp, never elsewhere.
#pragma once

/// Whether speed is worth several copies of a loop: not where vectors are scalars.
template <class V>
constexpr bool kLongCode = V::kMr > 2;

template <class V, int kRows, int kCols>
void store_tile(const PlaneConv<typename V::T>& s, int64_t t, int64_t u,
                const typename V::Reg (&acc)[kRows][kCols]) {
  typename V::T* out = s.out + t * s.out_row + u;
  ETCH_UNROLL(4)
  for (int j = 0; j < kCols; ++j) {
    const int64_t left = s.grid_w - u - j * V::kWidth;
    const typename V::Mask mask = V::lanes(0, left < V::kWidth ? left : V::kWidth);
    ETCH_UNROLL(8)
    for (int i = 0; i < kRows; ++i) V::store(out + i * s.out_row + j * V::kWidth, acc[i][j], mask);
  }
}

/// kRows x kCols vectors at grid position (t, u): enough independent chains to hide fma latency.
template <class V, int kRows, int kCols>
void plane_tile(const PlaneConv<typename V::T>& s, int64_t t, int64_t u) {
  using T = typename V::T;
  typename V::Reg acc[kRows][kCols];
  ETCH_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    ETCH_UNROLL(4)
    for (int j = 0; j < kCols; ++j) acc[i][j] = V::zero();
  }
  const T* base = s.src + t * s.row_step + u;
  for (int64_t q = 0; q < s.taps; ++q) {
    const typename V::Reg w = V::set1(s.weight[q]);
    const T* from = base + s.off[q];
    ETCH_UNROLL(8)
    for (int i = 0; i < kRows; ++i) {
      ETCH_UNROLL(4)
      for (int j = 0; j < kCols; ++j) {
        acc[i][j] = V::fma(w, V::load(from + i * s.row_step + j * V::kWidth), acc[i][j]);
      }
    }
  }
  store_tile<V, kRows, kCols>(s, t, u, acc);
}

/// The same with shared rows: each vector of the source is loaded once for the up to three rows of
/// results that it is part of. Source rows ascend, hence so do the taps of every result.
template <class V, int kRows, int kCols>
void plane_tile_shared(const PlaneConv<typename V::T>& s, int64_t t, int64_t u) {
  using T = typename V::T;
  typename V::Reg acc[kRows][kCols];
  ETCH_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    ETCH_UNROLL(4)
    for (int j = 0; j < kCols; ++j) acc[i][j] = V::zero();
  }
  const T* base = s.src + t * s.row_step + u;
  const int64_t taps = s.taps / 3;
  ETCH_UNROLL(16)
  for (int r = 0; r < kRows + 2; ++r) {
    for (int64_t q = 0; q < taps; ++q) {
      typename V::Reg x[kCols];
      ETCH_UNROLL(4)
      for (int j = 0; j < kCols; ++j) x[j] = V::load(base + s.off[q] + j * V::kWidth);
      ETCH_UNROLL(3)
      for (int tap = 0; tap < 3; ++tap) {
        const int i = r - tap;
        if (i < 0 || i >= kRows) continue;
        const typename V::Reg w = V::set1(s.weight[tap * taps + q]);
        ETCH_UNROLL(4)
        for (int j = 0; j < kCols; ++j) acc[i][j] = V::fma(w, x[j], acc[i][j]);
      }
    }
    base += s.row_step;
  }
  store_tile<V, kRows, kCols>(s, t, u, acc);
}

template <class V, int kRows, int kCols>
void plane_columns(const PlaneConv<typename V::T>& s, int64_t u) {
  int64_t t = 0;
  for (; t + kRows <= s.grid_h; t += kRows) {
    if constexpr (kLongCode<V>) {
      if (s.shared_rows) {
        plane_tile_shared<V, kRows, kCols>(s, t, u);
        continue;
      }
    }
    plane_tile<V, kRows, kCols>(s, t, u);
  }
  for (; t < s.grid_h; ++t) plane_tile<V, 1, kCols>(s, t, u);
}

template <class V>
void plane_conv(const PlaneConv<typename V::T>& s) {
  for (int64_t u = 0; u < s.grid_w;) {
    if (s.grid_w - u > V::kWidth) {
      plane_columns<V, kLongCode<V> ? 4 : 1, 2>(s, u);
      u += 2 * V::kWidth;
    } else {
      plane_columns<V, kLongCode<V> ? 8 : 2, 1>(s, u);
      u += V::kWidth;
    }
  }
}

template <class V, int kTaps>
void lane_chains_of(typename V::T* chain, const typename V::T* dy, const typename V::T* x,
                    const int64_t* off, int64_t count) {
  typename V::Reg acc[kTaps];
  const typename V::T* from[kTaps];
  ETCH_UNROLL(9)
  for (int q = 0; q < kTaps; ++q) {
    acc[q] = V::load(chain + q * V::kWidth);
    from[q] = x + off[q] * V::kWidth;
  }
  for (int64_t j = 0; j < count * V::kWidth; j += V::kWidth) {
    const typename V::Reg d = V::load(dy + j);
    ETCH_UNROLL(9)
    for (int q = 0; q < kTaps; ++q) acc[q] = V::fma(d, V::load(from[q] + j), acc[q]);
  }
  ETCH_UNROLL(9)
  for (int q = 0; q < kTaps; ++q) V::store(chain + q * V::kWidth, acc[q]);
}

template <class V>
void lane_chains(typename V::T* chain, const typename V::T* dy, const typename V::T* x,
                 const int64_t* off, int64_t taps, int64_t count) {
  for (int64_t q = 0; q < taps;) {
    typename V::T* to = chain + q * V::kWidth;
    if (kLongCode<V> && taps - q >= 9) {
      lane_chains_of<V, kLongCode<V> ? 9 : 1>(to, dy, x, off + q, count);
      q += 9;
    } else if (taps - q >= 3) {
      lane_chains_of<V, 3>(to, dy, x, off + q, count);
      q += 3;
    } else {
      lane_chains_of<V, 1>(to, dy, x, off + q, count);
      ++q;
    }
  }
}
