// The register tile and the block loop around it, over a vector type V of one tier. Included
// inside the namespace of a tier by kernels_<tier>.cpp, never elsewhere.
#pragma once

/// What a tile knows of its operands.
enum class TileKind {
  Column,   // A: the rows of one p are neighbours; B readable to the full panel width
  Strided,  // A: any strides; B as above
  Masked,   // A: any strides; B may end inside the panel
};

template <class T>
struct TileArgs {
  int64_t k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  bool first;
  int64_t cols;  // valid columns, at most kNv * kWidth
};

/// One chain per output over p = 0 .. k - 1 from +0, then C = chain or C += chain.
template <class V, int kRows, int kCols, TileKind kKind>
void tile(const TileArgs<typename V::T>& t) {
  using T = typename V::T;
  typename V::Reg acc[kRows][kCols];
  typename V::Mask mask[kCols];
#pragma GCC unroll 4
  for (int j = 0; j < kCols; ++j) {
    const int64_t left = t.cols - j * V::kWidth;
    mask[j] = V::lanes(0, left < V::kWidth ? left : V::kWidth);
  }
  T* c = t.c;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    __builtin_prefetch(c + i * t.c_row, 1);
    if (kCols > 1) __builtin_prefetch(c + i * t.c_row + V::kWidth, 1);
#pragma GCC unroll 4
    for (int j = 0; j < kCols; ++j) acc[i][j] = V::zero();
  }
  // Rows in groups of three, so that one pointer per group and [p + s], [p + 2 s] reach all.
  const T* a = t.a;
  const T* b = t.b;
  const int64_t s = t.a_row, group = 3 * s, a_col = t.a_col, b_row = t.b_row;
  const T* a3 = a + group;
  const T* a6 = a3 + group;
  const T* a9 = a6 + group;
  for (int64_t p = 0; p < t.k; ++p) {
    typename V::Reg bv[kCols];
#pragma GCC unroll 4
    for (int j = 0; j < kCols; ++j) {
      bv[j] = kKind == TileKind::Masked ? V::load(b + j * V::kWidth, mask[j])
                                        : V::load(b + j * V::kWidth);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const T* row = i < 3 ? a : i < 6 ? a3 : i < 9 ? a6 : a9;
      const typename V::Reg av = V::set1(kKind == TileKind::Column ? a[i] : row[i % 3 * s]);
#pragma GCC unroll 4
      for (int j = 0; j < kCols; ++j) acc[i][j] = V::fma(av, bv[j], acc[i][j]);
    }
    a += a_col;
    if (kKind != TileKind::Column) {
      a3 += a_col;
      a6 += a_col;
      a9 += a_col;
    }
    b += b_row;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kCols; ++j) {
      T* out = c + i * t.c_row + j * V::kWidth;
      if (!t.first) acc[i][j] = V::add(V::load(out, mask[j]), acc[i][j]);
      V::store(out, acc[i][j], mask[j]);
    }
  }
}

template <class T>
using TileFn = void (*)(const TileArgs<T>&);

/// tile<V, rows, cols, kind> for rows 1 .. kMr.
template <class V, TileKind kKind, int kCols, int... kRow>
struct TileRow {
  static constexpr TileFn<typename V::T> fn[sizeof...(kRow)] = {tile<V, kRow, kCols, kKind>...};
};

template <class V, TileKind kKind, int kCols>
constexpr const TileFn<typename V::T>* tile_row() {
  if constexpr (V::kMr == 12) {
    return TileRow<V, kKind, kCols, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>::fn;
  } else if constexpr (V::kMr == 6) {
    return TileRow<V, kKind, kCols, 1, 2, 3, 4, 5, 6>::fn;
  } else {
    static_assert(V::kMr == 2);
    return TileRow<V, kKind, kCols, 1, 2>::fn;
  }
}

/// Panels outside, row tiles inside: a panel of B stays near while the rows of A pass by.
template <class V>
void gemm_block(const GemmBlock<typename V::T>& g) {
  using T = typename V::T;
  static constexpr const TileFn<T>* kTiles[3][2] = {
      {tile_row<V, TileKind::Column, 1>(), tile_row<V, TileKind::Column, 2>()},
      {tile_row<V, TileKind::Strided, 1>(), tile_row<V, TileKind::Strided, 2>()},
      {tile_row<V, TileKind::Masked, 1>(), tile_row<V, TileKind::Masked, 2>()}};
  const int64_t nr = V::kWidth * V::kNv;
  const RowTiles tiles = row_tiles(g.m, V::kMr);
  const int whole = g.a_row == 1 ? 0 : 1;
  for (int64_t j = 0, panel = 0; j < g.n; j += nr, ++panel) {
    const int64_t cols = g.n - j < nr ? g.n - j : nr;
    const int wide = cols > V::kWidth ? 1 : 0;
    const bool full = g.b_padded || cols == nr || cols == V::kWidth;
    const TileFn<T>* fns = kTiles[full ? whole : 2][wide];
    for (int64_t t = 0; t < tiles.count; ++t) {
      const int64_t row = tiles.begin(t);
      const T* a = g.a_tile != 0 ? g.a + t * g.a_tile : g.a + row * g.a_row;
      fns[tiles.height(t) - 1]({g.k, a, g.a_row, g.a_col, g.b + panel * g.b_panel, g.b_row,
                                g.c + row * g.c_row + j, g.c_row, g.first, cols});
    }
  }
}
