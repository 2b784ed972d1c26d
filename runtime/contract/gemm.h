// The packed product that matmul and the convolutions share: rows of A come from a caller's
// packer, B is packed panels over the whole depth.
#pragma once

#include "runtime/contract/tasks.h"

namespace etch::runtime::contract {

/// Rows of a block of A that stay in the second-level cache (about 384 KiB).
template <class T>
constexpr int64_t kBlockRows = 768 / static_cast<int64_t>(sizeof(T));

/// B in panels of nr columns: panel q holds [k][nr] at data + q * k * nr.
template <class T>
struct Panels {
  const T* data;
  int64_t k, n, nr;
  const T* at(int64_t panel, int64_t p) const { return data + panel * k * nr + p * nr; }
  int64_t count() const { return ceil_div(n, nr); }
};

/// One task: rows [row0, row1) x panels [panel0, panel1) of C.
struct GemmRange {
  int64_t row0, row1, panel0, panel1;
};

/// How a product is cut into tasks for a number of threads.
struct GemmGrid {
  int64_t m, panels, row_blocks, panel_groups;

  template <class T>
  static GemmGrid make(int64_t m, int64_t panels, int64_t mr, int64_t slots) {
    GemmGrid g{m, panels, std::max<int64_t>(1, ceil_div(m, kBlockRows<T>)), 1};
    if (slots > 1) {
      if (g.row_blocks >= slots && m / g.row_blocks >= 4 * mr) {
        g.row_blocks = round_up(g.row_blocks, slots);
      } else {
        g.panel_groups = std::clamp<int64_t>(2 * slots, 1, std::max<int64_t>(1, panels));
      }
    }
    return g;
  }
  int64_t items() const { return row_blocks * panel_groups; }
  GemmRange item(int64_t i) const {
    const int64_t rb = i / panel_groups, pg = i % panel_groups;
    return {rb * m / row_blocks, (rb + 1) * m / row_blocks, pg * panels / panel_groups,
            (pg + 1) * panels / panel_groups};
  }
  int64_t max_rows() const { return ceil_div(m, row_blocks) + 1; }
};

/// Elements of the private buffer for packed rows.
template <class T>
int64_t packed_rows_elems(const Kernels<T>& kern, int64_t rows, int64_t k) {
  // One vector of slack: packers may store past the last lane.
  return buffer_elems<T>(ceil_div(rows, kern.mr) * kern.mr * std::min(k, kDepth) + 64);
}

/// C over `r` with A packed chunk by chunk: pack_rows(dst, row, rows, k0, k1) writes a row tile as
/// dst[(p - k0) * mr + i].
template <class T, class PackRows>
void gemm_packed_rows(const Kernels<T>& kern, const GemmRange& r, const Panels<T>& b, T* c,
                      int64_t c_row, T* buffer, PackRows pack_rows) {
  const int64_t cols = std::min(b.n - r.panel0 * b.nr, (r.panel1 - r.panel0) * b.nr);
  const int64_t rows = r.row1 - r.row0;
  const RowTiles tiles = row_tiles(rows, kern.mr);
  for (int64_t k0 = 0; k0 < b.k; k0 += kDepth) {
    const int64_t depth = std::min(kDepth, b.k - k0), tile = kern.mr * depth;
    for (int64_t t = 0; t < tiles.count; ++t) {
      pack_rows(buffer + t * tile, r.row0 + tiles.begin(t), tiles.height(t), k0, k0 + depth);
    }
    kern.block({rows, cols, depth, buffer, 1, kern.mr, tile, b.at(r.panel0, k0), b.nr, b.k * b.nr,
                true, c + r.row0 * c_row + r.panel0 * b.nr, c_row, k0 == 0});
  }
}

/// As above with A read in place: A(i, p) = a[i * a_row + p * a_col].
template <class T>
void gemm_direct_rows(const Kernels<T>& kern, const GemmRange& r, const T* a, int64_t a_row,
                      int64_t a_col, const Panels<T>& b, T* c, int64_t c_row) {
  const int64_t cols = std::min(b.n - r.panel0 * b.nr, (r.panel1 - r.panel0) * b.nr);
  for (int64_t k0 = 0; k0 < b.k; k0 += kDepth) {
    const int64_t depth = std::min(kDepth, b.k - k0);
    kern.block({r.row1 - r.row0, cols, depth, a + r.row0 * a_row + k0 * a_col, a_row, a_col, 0,
                b.at(r.panel0, k0), b.nr, b.k * b.nr, true, c + r.row0 * c_row + r.panel0 * b.nr,
                c_row, k0 == 0});
  }
}

template <class T>
void fill_zero(T* c, int64_t rows, int64_t cols, int64_t c_row) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(c + i * c_row, cols, T{0});
}

}  // namespace etch::runtime::contract
