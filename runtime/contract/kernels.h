// The kernels that exist once per instruction-set tier and element type, as tables of functions.
// Plain structs only: this header is included by files compiled for one tier.
#pragma once

#include <cstdint>

namespace etch::runtime::contract {

/// Depth of a chunk as the kernels see it; equals kChunk of reference.h.
inline constexpr int64_t kDepth = 512;

/// C[m x n] = A x B (first chunk) or C += A x B (later chunks), with 1 <= k <= kDepth.
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

/// The source of an implicit-GEMM operand: term p (tap-major, then channels) of grid position
/// (t, u) is x[t * row_step + u + term[p]]. `term` is readable kTermsAhead entries beyond the last.
template <class T>
struct Patches {
  const T* x;
  int64_t row_step, grid_w;
  const int64_t* term;
};
inline constexpr int64_t kTermsAhead = 8;

/// A plane as a grid of steps (sh, sw) reads it: sorted by phase, padding in place. Element
/// (i, r, j, c) of dst, dense in that order, is source row row0 + row_phase[i] + r * sh and column
/// col0 + col_phase[j] + c * sw, or +0 outside the src_h x src_w plane.
struct PlaneCopy {
  int64_t src_h, src_w, sh, sw, row0, col0;
  int64_t row_phases, rows, col_phases, width;
  const int64_t *row_phase, *col_phase;
};

/// One plane convolved with one filter: out[t, u] = chain over taps q of
/// fma(weight[q], src[t * row_step + off[q] + u], acc); rows of src are readable two vectors beyond
/// grid_w. taps <= kDepth. shared_rows: taps are three rows, and row i of them is row 0 moved by
/// i * row_step, so that neighbouring results share what they read.
template <class T>
struct PlaneConv {
  const T* src;
  int64_t row_step;
  int64_t taps;
  const T* weight;
  const int64_t* off;
  bool shared_rows;
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
  /// dst[(p - k0) * dst_ld + l]: term p of position pos + l, zero for lanes <= l < fill.
  void (*pack_patches)(T* dst, int64_t dst_ld, int64_t fill, const Patches<T>& s, int64_t pos,
                       int64_t lanes, int64_t k0, int64_t k1);
  /// dst[l * dst_ld + p] = src[p * src_ld + l].
  void (*transpose)(T* dst, int64_t dst_ld, const T* src, int64_t src_ld, int64_t rows,
                    int64_t cols);
  void (*copy_plane)(T* dst, const T* src, const PlaneCopy& p);
  void (*plane_conv)(const PlaneConv<T>& s);
  /// Elements are vectors: chain[q] = fma(dy[j], x[off[q] + j], chain[q]) for j < count ascending.
  void (*lane_chains)(T* chain, const T* dy, const T* x, const int64_t* off, int64_t taps,
                      int64_t count);
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
