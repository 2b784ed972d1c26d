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
      ETCH_UNROLL(16)
      for (int l = 0; l < kW; ++l) r[l] = V::load(src + l * src_ld + p);
    } else {
      const typename V::Mask in = V::lanes(0, here);
      for (int l = 0; l < kW; ++l) r[l] = l < rows ? V::load(src + l * src_ld + p, in) : V::zero();
    }
    V::transpose(r);
    typename V::T* to = dst + p * dst_ld;
    if (here == kW && fill == kW) {
      ETCH_UNROLL(16)
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

/// One vector per term out of `n` runs (kRuns of them, when that is not 0).
template <class V, int kRuns>
void copy_terms(typename V::T* dst, int64_t dst_ld, typename V::Mask out,
                const typename V::T* const* base, const typename V::Mask* mask, int n,
                const int64_t* term, int64_t terms) {
  const typename V::T *base0 = base[0], *base1 = base[kRuns == 1 ? 0 : 1];
  const typename V::Mask mask0 = mask[0], mask1 = mask[kRuns == 1 ? 0 : 1];
  for (int64_t k = 0; k < terms; ++k, dst += dst_ld) {
    __builtin_prefetch(base0 + term[k + kTermsAhead]);
    typename V::Reg v = V::load(base0 + term[k], mask0);
    if (kRuns != 1) v = V::merge_load(v, base1 + term[k], mask1);
    if (kRuns == 0) {
      for (int r = 2; r < n; ++r) v = V::merge_load(v, base[r] + term[k], mask[r]);
    }
    V::store(dst, v, out);
  }
}

template <class V>
void pack_patches(typename V::T* dst, int64_t dst_ld, int64_t fill_to,
                  const Patches<typename V::T>& s, int64_t pos, int64_t lanes, int64_t k0,
                  int64_t k1) {
  constexpr int kW = V::kWidth;
  LaneRun runs[kW];
  const typename V::T* base[kW];
  typename V::Mask mask[kW];
  const int64_t *term = s.term + k0, terms = k1 - k0;
  for (int64_t l = 0; l < fill_to; l += kW, dst += kW) {
    const int64_t fill = min64(kW, fill_to - l);
    const int64_t have = lanes < l ? 0 : min64(fill, lanes - l);
    const int n = lane_runs(runs, pos + l, have, s.grid_w);
    const typename V::Mask out = V::lanes(0, fill);
    for (int r = 0; r < n; ++r) {
      base[r] = s.x + runs[r].t * s.row_step + runs[r].u - runs[r].lo;
      mask[r] = V::lanes(runs[r].lo, runs[r].hi);
    }
    if (n == 0) {
      for (int64_t k = 0; k < terms; ++k) V::store(dst + k * dst_ld, V::zero(), out);
    } else if (n == 1 && have == kW) {
      for (int64_t k = 0; k < terms; ++k) {
        __builtin_prefetch(base[0] + term[k + kTermsAhead]);
        V::store(dst + k * dst_ld, V::load(base[0] + term[k]));
      }
    } else if (n == 1) {
      copy_terms<V, 1>(dst, dst_ld, out, base, mask, n, term, terms);
    } else if (n == 2) {
      copy_terms<V, 2>(dst, dst_ld, out, base, mask, n, term, terms);
    } else {
      copy_terms<V, 0>(dst, dst_ld, out, base, mask, n, term, terms);
    }
  }
}

/// Which of first, first + step, ... (`count` of them) lie in [0, size): those from lo to hi - 1.
struct Inside {
  int64_t lo, hi;
};
static inline Inside inside(int64_t first, int64_t step, int64_t size, int64_t count) {
  const int64_t lo = first >= 0 ? 0 : min64(count, (-first + step - 1) / step);
  const int64_t hi = size > first ? min64(count, (size - first + step - 1) / step) : 0;
  return {lo, hi < lo ? lo : hi};
}

static inline int64_t clamp64(int64_t v, int64_t high) { return v < 0 ? 0 : v < high ? v : high; }

/// Rows of `width` columns `sw` apart, the first being source column `col` (src points there), zero
/// outside the plane; with `pair` the columns between them follow at dst + width. sw is 1 or 2.
template <class V>
void copy_rows(typename V::T* dst, int64_t dst_ld, const typename V::T* src, int64_t src_ld,
               int64_t rows, int64_t col, int64_t src_w, int64_t sw, int64_t width, bool pair) {
  constexpr int kW = V::kWidth, kBlock = 8;
  for (int64_t c = 0; c < width; c += kBlock * kW) {
    const int64_t n = min64(kBlock, (width - c - 1) / kW + 1);
    typename V::Mask in[2][kBlock], out[kBlock];
    for (int64_t v = 0; v < n; ++v) {
      const int64_t at = col + (c + v * kW) * sw;
      in[0][v] = V::lanes(clamp64(-at, kW), clamp64(src_w - at, kW));
      in[1][v] = V::lanes(clamp64(-at - kW, kW), clamp64(src_w - at - kW, kW));
      out[v] = V::lanes(0, min64(kW, width - c - v * kW));
    }
    const typename V::T* from = src + c * sw;
    typename V::T* to = dst + c;
    for (int64_t r = 0; r < rows; ++r, from += src_ld, to += dst_ld) {
      for (int64_t v = 0; v < n; ++v) {
        const typename V::Reg a = V::load(from + v * kW * sw, in[0][v]);
        if (sw == 1) {
          V::store(to + v * kW, a, out[v]);
          continue;
        }
        const typename V::Reg b = V::load(from + v * kW * sw + kW, in[1][v]);
        V::store(to + v * kW, V::even(a, b), out[v]);
        if (pair) V::store(to + width + v * kW, V::odd(a, b), out[v]);
      }
    }
  }
}

template <class V>
void copy_plane(typename V::T* dst, const typename V::T* src, const PlaneCopy& p) {
  const int64_t dst_ld = p.col_phases * p.width, src_ld = p.sh * p.src_w;
  const bool pair = p.sw == 2 && p.col_phases == 2 && p.col_phase[0] == 0;
  for (int64_t i = 0; i < p.row_phases; ++i, dst += p.rows * dst_ld) {
    const int64_t row = p.row0 + p.row_phase[i];
    const Inside rows = inside(row, p.sh, p.src_h, p.rows);
    for (int64_t at = 0; at < rows.lo * dst_ld; ++at) dst[at] = 0;
    for (int64_t at = rows.hi * dst_ld; at < p.rows * dst_ld; ++at) dst[at] = 0;
    if (rows.lo == rows.hi) continue;
    const int64_t count = rows.hi - rows.lo;
    for (int64_t j = 0; j < (pair ? 1 : p.col_phases); ++j) {
      const int64_t col = p.col0 + p.col_phase[j];
      const typename V::T* from = src + (row + rows.lo * p.sh) * p.src_w + col;
      typename V::T* to = dst + rows.lo * dst_ld + j * p.width;
      if (p.sw <= 2) {
        copy_rows<V>(to, dst_ld, from, src_ld, count, col, p.src_w, p.sw, p.width, pair);
        continue;
      }
      const Inside cols = inside(col, p.sw, p.src_w, p.width);
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t c = 0; c < p.width; ++c) {
          to[r * dst_ld + c] = c >= cols.lo && c < cols.hi ? from[r * src_ld + c * p.sw] : 0;
        }
      }
    }
  }
}
