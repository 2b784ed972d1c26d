// Packing loops over a vector type V of one tier. Included inside the namespace of a tier by
// kernels_<tier>.cpp, never elsewhere.
#pragma once

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/// Up to kWidth rows of src, transposed: dst[p * dst_ld + l] = src[l * src_ld + p] for p < k, with
/// lanes `rows` .. `fill` - 1 zero.
template <class V>
void transpose_strip(typename V::T* dst, int64_t dst_ld, const typename V::T* src, int64_t src_ld,
                     int64_t k, int64_t rows, int64_t fill) {
  constexpr int kW = V::kWidth;
  typename V::Reg r[kW];
  const typename V::Mask out = V::lanes(0, fill);
  for (int64_t p = 0; p < k; p += kW) {
    const int64_t here = min64(kW, k - p);
    if (here == kW && rows == kW) {
#pragma GCC unroll 16
      for (int l = 0; l < kW; ++l) r[l] = V::load(src + l * src_ld + p);
    } else {
      const typename V::Mask in = V::lanes(0, here);
      for (int l = 0; l < kW; ++l) r[l] = l < rows ? V::load(src + l * src_ld + p, in) : V::zero();
    }
    V::transpose(r);
    typename V::T* to = dst + p * dst_ld;
    if (here == kW && fill == kW) {
#pragma GCC unroll 16
      for (int q = 0; q < kW; ++q) V::store(to + q * dst_ld, r[q]);
    } else {
      for (int q = 0; q < here; ++q) V::store(to + q * dst_ld, r[q], out);
    }
  }
}

template <class V>
void transpose(typename V::T* dst, int64_t dst_ld, const typename V::T* src, int64_t src_ld,
               int64_t rows, int64_t cols) {
  for (int64_t p = 0; p < rows; p += V::kWidth) {
    const int64_t here = min64(V::kWidth, rows - p);
    transpose_strip<V>(dst + p, dst_ld, src + p * src_ld, src_ld, cols, here, here);
  }
}

/// Rows of neighbours: whole vectors side by side, with the row read 16 steps later prefetched.
template <class V>
void pack_rows(typename V::T* dst, int64_t dst_ld, const typename V::T* src, int64_t k,
               int64_t lanes, int64_t k_stride) {
  constexpr int kW = V::kWidth;
  constexpr int64_t kFar = 16;
  if (dst_ld == 2 * kW && lanes == dst_ld) {
    for (int64_t p = 0; p < k; ++p, src += k_stride, dst += dst_ld) {
      __builtin_prefetch(src + kFar * k_stride);
      __builtin_prefetch(src + kFar * k_stride + kW);
      V::store(dst, V::load(src));
      V::store(dst + kW, V::load(src + kW));
    }
    return;
  }
  for (int64_t l = 0; l < dst_ld; l += kW) {
    const int64_t fill = min64(kW, dst_ld - l), have = lanes < l ? 0 : min64(fill, lanes - l);
    const typename V::Mask in = V::lanes(0, have), out = V::lanes(0, fill);
    for (int64_t p = 0; p < k; ++p) {
      V::store(dst + p * dst_ld + l, V::load(src + l + p * k_stride, in), out);
    }
  }
}

template <class V>
void pack_lanes(typename V::T* dst, int64_t dst_ld, const typename V::T* src, int64_t k,
                int64_t lanes, int64_t k_stride, int64_t lane_stride) {
  constexpr int kW = V::kWidth;
  if (lane_stride == 1) return pack_rows<V>(dst, dst_ld, src, k, lanes, k_stride);
  for (int64_t l = 0; l < dst_ld; l += kW) {
    const int64_t fill = min64(kW, dst_ld - l);
    const int64_t have = lanes < l ? 0 : min64(fill, lanes - l);
    const typename V::T* from = src + l * lane_stride;
    if (k_stride == 1) {
      transpose_strip<V>(dst + l, dst_ld, from, lane_stride, k, have, fill);
    } else {
      for (int64_t p = 0; p < k; ++p) {
        for (int64_t i = 0; i < fill; ++i) {
          dst[p * dst_ld + l + i] = i < have ? from[p * k_stride + i * lane_stride] : 0;
        }
      }
    }
  }
}

/// Lanes lo .. hi - 1 of a vector of positions: neighbours in one grid row, hence in the source.
struct LaneRun {
  int64_t lo, hi;
  int64_t t, u;  // grid position of lane lo
};

/// The runs of lanes pos .. pos + count - 1 that stay in one grid row; returns how many.
static inline int lane_runs(LaneRun* runs, int64_t pos, int64_t count, int64_t grid_w) {
  int n = 0;
  int64_t t = pos / grid_w, u = pos % grid_w;
  for (int64_t lane = 0; lane < count; ++t, u = 0) {
    const int64_t hi = min64(count, lane + grid_w - u);
    runs[n++] = {lane, hi, t, u};
    lane = hi;
  }
  return n;
}

/// One vector per channel out of `n` runs (kRuns of them, when that is not 0).
template <class V, int kRuns>
void copy_runs(typename V::T* dst, int64_t dst_ld, typename V::Mask out, const typename V::T* x,
               int64_t plane, int64_t channels, const typename V::Mask* mask, const int64_t* offset,
               int n) {
  constexpr int64_t kFar = 4;
  const int runs = kRuns == 0 ? n : kRuns;
  const typename V::Mask mask0 = mask[0], mask1 = mask[kRuns == 1 ? 0 : 1];
  const typename V::T* x0 = x + offset[0];
  const typename V::T* x1 = x + offset[kRuns == 1 ? 0 : 1];
  for (int64_t c = 0; c < channels; ++c) {
    __builtin_prefetch(x0 + kFar * plane);
    typename V::Reg v = V::load(x0, mask0);
    if (kRuns != 1) v = V::merge_load(v, x1, mask1);
    for (int r = 2; r < runs; ++r) v = V::merge_load(v, x + c * plane + offset[r], mask[r]);
    V::store(dst, v, out);
    dst += dst_ld;
    x0 += plane;
    x1 += plane;
  }
}

/// Channels [c0, c1) of one tap: one masked load per run that has a lane inside the plane.
template <class V>
void patch_rows(typename V::T* dst, int64_t dst_ld, typename V::Mask out,
                const Patches<typename V::T>& s, const LaneRun* runs, int n_runs, int64_t tap,
                int64_t c0, int64_t c1) {
  typename V::Mask mask[V::kWidth];
  int64_t offset[V::kWidth];
  int n = 0;
  for (int r = 0; r < n_runs; ++r) {
    const int64_t row = runs[r].t * s.sh + s.dh[tap], col = runs[r].u + s.dw[tap];
    if (row < 0 || row >= s.h) continue;
    const int64_t lo = col < 0 ? runs[r].lo - col : runs[r].lo;
    const int64_t hi = min64(runs[r].hi, runs[r].lo + s.tap_w[tap] - col);
    if (lo >= hi) continue;
    mask[n] = V::lanes(lo, hi);
    offset[n++] = row * s.row + s.tap_offset[tap] + col - runs[r].lo;
  }
  const typename V::T* x = s.x + c0 * s.plane;
  if (n == 0) {
    for (int64_t c = c0; c < c1; ++c, dst += dst_ld) V::store(dst, V::zero(), out);
  } else if (n == 1) {
    copy_runs<V, 1>(dst, dst_ld, out, x, s.plane, c1 - c0, mask, offset, n);
  } else if (n == 2) {
    copy_runs<V, 2>(dst, dst_ld, out, x, s.plane, c1 - c0, mask, offset, n);
  } else {
    copy_runs<V, 0>(dst, dst_ld, out, x, s.plane, c1 - c0, mask, offset, n);
  }
}

/// Every stride-th element of src: dst[i] = src[i * stride].
template <class V>
void every_nth(typename V::T* dst, const typename V::T* src, int64_t count, int64_t stride) {
  constexpr int kW = V::kWidth;
  if (stride != 2) {
    for (int64_t i = 0; i < count; ++i) dst[i] = src[i * stride];
    return;
  }
  int64_t i = 0;
  // The second load of a pair ends one element past the last one read: masked at the end.
  for (; i + kW < count; i += kW) {
    V::store(dst + i, V::even(V::load(src + 2 * i), V::load(src + 2 * i + kW)));
  }
  const int64_t left = count - i, need = 2 * left - 1;
  if (left <= 0) return;
  const typename V::Reg a = V::load(src + 2 * i, V::lanes(0, min64(kW, need)));
  const typename V::Reg b =
      need <= kW ? V::zero() : V::load(src + 2 * i + kW, V::lanes(0, need - kW));
  V::store(dst + i, V::even(a, b), V::lanes(0, left));
}

template <class V>
void pack_patches(typename V::T* dst, int64_t dst_ld, int64_t fill_to,
                  const Patches<typename V::T>& s, int64_t pos, int64_t lanes, int64_t k0,
                  int64_t k1) {
  constexpr int kW = V::kWidth;
  LaneRun runs[kW];
  for (int64_t l = 0; l < fill_to; l += kW) {
    const int64_t fill = min64(kW, fill_to - l);
    const int64_t have = lanes < l ? 0 : min64(fill, lanes - l);
    const int n_runs = lane_runs(runs, pos + l, have, s.grid_w);
    const typename V::Mask out = V::lanes(0, fill);
    for (int64_t k = k0; k < k1;) {
      const int64_t tap = k / s.channels, c0 = k % s.channels;
      const int64_t c1 = min64(s.channels, c0 + k1 - k);
      typename V::T* to = dst + (k - k0) * dst_ld + l;
      patch_rows<V>(to, dst_ld, out, s, runs, n_runs, tap, c0, c1);
      k += c1 - c0;
    }
  }
}
