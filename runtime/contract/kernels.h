// The kernels that exist once per instruction-set tier and element type, as tables of functions.
// Plain structs only: this header is included by files compiled for one tier.
#pragma once

#include <cstdint>

namespace etch::runtime::contract {

/// Depth of a chunk as the kernels see it; equals kChunk of reference.h.
inline constexpr int64_t kDepth = 512;

/// C[m x n] = A x B (first chunk) or C += A x B (later chunks), with k <= kDepth.
/// A is row i at a + i * a_row, column p at p * a_col; or, when a_tile != 0, packed row tiles:
/// tile t (see row_tiles()) at a + t * a_tile, holding [p][a_col rows].
/// B is panels of nr columns: panel q at b + q * b_panel, row p at p * b_row. With b_padded every
/// panel may be read up to its full width.
template <class T>
struct GemmBlock {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col, a_tile;
  const T* b;
  int64_t b_row, b_panel;
  bool b_padded;
  T* c;
  int64_t c_row;
  bool first;
};

/// The source of an implicit-GEMM operand: output position (t, u) of a grid `grid_w` wide reads,
/// for tap q and channel ch, x[ch * plane + r * row + tap_offset[q] + v] with r = t * sh + dh[q]
/// and v = u + dw[q], or +0 unless 0 <= r < h and 0 <= v < tap_w[q]. Columns have unit stride:
/// those of a strided convolution are sorted by phase first, and a tap's phase gives its offset
/// and width.
template <class T>
struct Patches {
  const T* x;
  int64_t plane, row, h;
  int64_t channels, grid_w;
  int64_t sh;
  const int64_t *dh, *dw, *tap_offset, *tap_w;
};

/// One plane convolved with one filter: out[t, u] = chain over taps q of
/// fma(weight[q], src[(t * sh + row[q]) * src_w + off[q] + u], acc); columns are unit-stride (the
/// caller has separated column phases) and readable one vector beyond grid_w. taps <= kDepth.
template <class T>
struct PlaneConv {
  const T* src;
  int64_t src_w, sh;
  int64_t taps;
  const T* weight;
  const int64_t* off;
  int64_t grid_h, grid_w;
  T* out;
  int64_t out_row;
};

template <class T>
struct Kernels {
  int mr;     // rows of a full tile
  int nr;     // columns of a panel
  int width;  // lanes of a vector
  void (*block)(const GemmBlock<T>& g);
  /// dst[p * dst_ld + l] = src[p * k_stride + l * lane_stride], zero for lanes <= l < dst_ld.
  void (*pack)(T* dst, int64_t dst_ld, const T* src, int64_t k, int64_t lanes, int64_t k_stride,
               int64_t lane_stride);
  /// dst[(p - k0) * dst_ld + l]: tap p / channels and channel p % channels of position pos + l,
  /// zero for lanes <= l < fill.
  void (*pack_patches)(T* dst, int64_t dst_ld, int64_t fill, const Patches<T>& s, int64_t pos,
                       int64_t lanes, int64_t k0, int64_t k1);
  /// dst[l * dst_ld + p] = src[p * src_ld + l].
  void (*transpose)(T* dst, int64_t dst_ld, const T* src, int64_t src_ld, int64_t rows,
                    int64_t cols);
  /// dst[i] = src[i * stride].
  void (*every_nth)(T* dst, const T* src, int64_t count, int64_t stride);
  void (*plane_conv)(const PlaneConv<T>& s);
};

/// Row tiles of m rows: `count` tiles whose heights differ by at most one.
struct RowTiles {
  int64_t count, base, extra;
  int64_t height(int64_t t) const { return base + (t < extra ? 1 : 0); }
  int64_t begin(int64_t t) const { return t * base + (t < extra ? t : extra); }
};

static inline RowTiles row_tiles(int64_t m, int64_t mr) {
  const int64_t count = m == 0 ? 0 : (m - 1) / mr + 1;
  return count == 0 ? RowTiles{0, 0, 0} : RowTiles{count, m / count, m % count};
}

namespace generic {
extern const Kernels<float> kF32;
extern const Kernels<double> kF64;
}  // namespace generic
namespace avx2 {
extern const Kernels<float> kF32;
extern const Kernels<double> kF64;
}  // namespace avx2
namespace avx512 {
extern const Kernels<float> kF32;
extern const Kernels<double> kF64;
}  // namespace avx512

}  // namespace etch::runtime::contract
