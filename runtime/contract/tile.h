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
  int64_t b_row, b_panel;
  T* c;
  int64_t c_row;
  bool first;
  int64_t cols;  // valid columns of the tile
};

/// Rows of B between a prefetch and its use: about a hundred cycles.
constexpr int kAhead(int rows) { return rows >= 8 ? 8 : rows >= 4 ? 16 : 32; }

/// The next row of C. The compiler must not see through it: it would compute the addresses of all
/// rows beforehand, more than there are registers.
template <class T>
void next_row(T*& c, int64_t c_row) {
  c += c_row;
  __asm__("" : "+r"(c));
}

/// One chain per output over p = 0 .. k - 1 from +0, k at least 1, then C = chain or C += chain.
/// Columns beyond kNv vectors belong to the next panel.
template <class V, int kRows, int kCols, TileKind kKind>
void tile(const TileArgs<typename V::T>& t) {
  using T = typename V::T;
  typename V::Reg acc[kRows][kCols];
  typename V::Mask mask[kCols];
  ETCH_UNROLL(4)
  for (int j = 0; j < kCols; ++j) {
    const int64_t left = t.cols - j * V::kWidth;
    mask[j] = V::lanes(0, left < V::kWidth ? left : V::kWidth);
  }
  // Read once: a store of vectors may alias anything.
  const int64_t k = t.k, c_row = t.c_row;
  const bool first = t.first;
  T* c = t.c;
  ETCH_UNROLL(16)
  for (int i = 0; i < kRows; ++i, next_row(c, c_row)) {
    __builtin_prefetch(c, 1);
    if (kCols > 1) __builtin_prefetch(c + V::kWidth, 1);
    ETCH_UNROLL(4)
    for (int j = 0; j < kCols; ++j) acc[i][j] = V::zero();
  }
  // Rows in groups of three, so that one pointer per group and [p + s], [p + 2 s] reach all.
  const T* a = t.a;
  const T* b = t.b;
  const int64_t s = t.a_row, group = 3 * s, a_col = t.a_col, b_row = t.b_row;
  // One or two rows over packed panels wait for memory, which the hardware fetches sooner by
  // itself.
  const bool streams = kRows <= 2 && b_row <= V::kNv * V::kWidth;
  const int64_t ahead = streams ? 0 : kAhead(kRows) * b_row;
  const T* a3 = a + group;
  const T* a6 = a3 + group;
  const T* a9 = a6 + group;
  int64_t p = 0;
  do {
    typename V::Reg bv[kCols];
    ETCH_UNROLL(4)
    for (int j = 0; j < kCols; ++j) {
      const T* from = b + j / V::kNv * t.b_panel + j % V::kNv * V::kWidth;
      bv[j] = kKind == TileKind::Masked ? V::load(from, mask[j]) : V::load(from);
      __builtin_prefetch(from + ahead);
    }
    ETCH_UNROLL(16)
    for (int i = 0; i < kRows; ++i) {
      const T* row = i < 3 ? a : i < 6 ? a3 : i < 9 ? a6 : a9;
      const typename V::Reg av = V::set1(kKind == TileKind::Column ? a[i] : row[i % 3 * s]);
      ETCH_UNROLL(4)
      for (int j = 0; j < kCols; ++j) acc[i][j] = V::fma(av, bv[j], acc[i][j]);
    }
    a += a_col;
    if (kKind != TileKind::Column) {
      a3 += a_col;
      a6 += a_col;
      a9 += a_col;
    }
    b += b_row;
  } while (++p < k);
  if (!first) {
    c = t.c;
    ETCH_UNROLL(16)
    for (int i = 0; i < kRows; ++i, next_row(c, c_row)) {
      ETCH_UNROLL(4)
      for (int j = 0; j < kCols; ++j) {
        acc[i][j] = V::add(V::load(c + j * V::kWidth, mask[j]), acc[i][j]);
      }
    }
  }
  c = t.c;
  ETCH_UNROLL(16)
  for (int i = 0; i < kRows; ++i, next_row(c, c_row)) {
    ETCH_UNROLL(4)
    for (int j = 0; j < kCols; ++j) V::store(c + j * V::kWidth, acc[i][j], mask[j]);
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

/// A group of panels of B (about 256 KiB) stays in the second-level cache while the row tiles of A,
/// each small enough for the first level, pass by.
template <class V>
struct BlockLoop {
  using T = typename V::T;
  static constexpr int64_t kNr = V::kWidth * V::kNv;
  static constexpr int64_t kGroup = (int64_t{256} << 10) / (kNr * kDepth * sizeof(T));
  static constexpr TileKind kStrided = V::kFreeMasks ? TileKind::Masked : TileKind::Strided;
  static constexpr TileKind kColumn = V::kMr > 2 ? TileKind::Column : kStrided;
  static constexpr const TileFn<T>* kTiles[3][2] = {
      {tile_row<V, kColumn, 1>(), tile_row<V, kColumn, 2>()},
      {tile_row<V, kStrided, 1>(), tile_row<V, kStrided, 2>()},
      {tile_row<V, TileKind::Masked, 1>(), tile_row<V, TileKind::Masked, 2>()}};
  /// Two panels at once: one or two rows alone have too few chains to hide the latency of fma.
  static constexpr TileFn<T> kWide[2] = {tile<V, 1, 2 * V::kNv, TileKind::Strided>,
                                         tile<V, 2, 2 * V::kNv, TileKind::Strided>};

  const GemmBlock<T>& g;

  /// Row tile of `rows` rows at `row` over columns [j0, j1).
  void row_tile(const T* a, int64_t row, int64_t rows, int64_t j0, int64_t j1) const {
    const int whole = g.a_row == 1 ? 0 : 1;
    T* c = g.c + row * g.c_row;
    for (int64_t j = j0; j < j1;) {
      const T* b = g.b + j / kNr * g.b_panel;
      const int64_t cols = j1 - j < kNr ? j1 - j : kNr;
      TileFn<T> fn;
      int64_t step = kNr;
      if (rows <= 2 && j1 - j >= 2 * kNr) {
        fn = kWide[rows - 1];
        step = 2 * kNr;
      } else {
        const bool full = g.b_padded || cols == kNr || cols == V::kWidth;
        fn = kTiles[full ? whole : 2][cols > V::kWidth ? 1 : 0][rows - 1];
      }
      fn({g.k, a, g.a_row, g.a_col, b, g.b_row, g.b_panel, c + j, g.c_row, g.first,
          step == kNr ? cols : step});
      j += step;
    }
  }
};

template <class V>
void gemm_block(const GemmBlock<typename V::T>& g) {
  using Loop = BlockLoop<V>;
  const Loop loop{g};
  const RowTiles tiles = row_tiles(g.m, V::kMr);
  for (int64_t j = 0; j < g.n; j += Loop::kGroup * Loop::kNr) {
    const int64_t end = g.n - j < Loop::kGroup * Loop::kNr ? g.n : j + Loop::kGroup * Loop::kNr;
    for (int64_t t = 0; t < tiles.count; ++t) {
      const int64_t row = tiles.begin(t);
      const typename V::T* a = g.a_tile != 0 ? g.a + t * g.a_tile : g.a + row * g.a_row;
      loop.row_tile(a, row, tiles.height(t), j, end);
    }
  }
}
