// Depthwise convolution: each plane is laid out for its grid in a small buffer, then convolved with
// unit-stride vector loads.
#pragma once

#include "runtime/contract/conv_source.h"

namespace etch::runtime::contract {

/// Elements of one slot: the plane (the kernel reads up to two vectors beyond it) and a tile of
/// results when these are strided.
template <class T>
struct PlaneBuffers {
  int64_t plane, tile;
  PlaneBuffers(const Kernels<T>& kern, const TapConv& c, const PlaneLayout& l)
      : plane(buffer_elems<T>(l.elems() + 2 * kern.width)),
        tile(c.dense_out() ? 0 : buffer_elems<T>(c.positions())) {}
  int64_t elems() const { return plane + tile; }
};

template <class T>
int64_t plane_conv_scratch(const Kernels<T>& kern, const TapConv& c) {
  return task_slots(c.work()) * PlaneBuffers<T>(kern, c, PlaneLayout(c, kern.width)).elems();
}

/// 1 or -1 when there are three rows of taps, each the one before moved down or up by one grid row
/// (as forward and backward-data have them at stride 1), else 0.
inline int shared_rows(const PlaneLayout& l) {
  const auto& taps = l.taps();
  const size_t row = taps.size() / 3;
  if (taps.size() != 3 * row || row == 0) return 0;
  const int sign = taps[row] > taps[0] ? 1 : -1;
  for (size_t q = row; q < taps.size(); ++q) {
    if (taps[q] != taps[q - row] + sign * l.row_step()) return 0;
  }
  return sign;
}

template <class T>
void run_plane_conv(const Kernels<T>& kern, const TapConv& c, const T* src, const T* weight, T* out,
                    T* scratch) {
  const PlaneLayout l(c, kern.width);
  const PlaneBuffers<T> size(kern, c, l);
  const int shared = shared_rows(l);
  run_tasks(task_slots(c.work()), c.n * c.groups, [&](int64_t slot, int64_t item) {
    T* buffer = scratch + slot * size.elems();
    kern.copy_plane(buffer, src + item * c.src_plane(), l.copy());
    std::fill(buffer + l.elems(), buffer + size.plane, T{0});
    T* plane = out + item * c.out_plane();
    T* to = c.dense_out() ? plane : buffer + size.plane;
    const int64_t out_row = c.dense_out() ? c.out_w : c.grid_w;
    // Rows of taps that go up are rows that go down, counted from the last grid row.
    const int64_t sign = shared < 0 ? -1 : 1, first = shared < 0 ? c.grid_h - 1 : 0;
    kern.plane_conv({buffer + first * l.row_step(), sign * l.row_step(), c.taps(),
                     weight + item % c.groups * c.taps(), l.taps().data(), shared != 0, c.grid_h,
                     c.grid_w, to + first * out_row, sign * out_row});
    if (c.dense_out()) return;
    for (int64_t t = 0; t < c.grid_h; ++t) {
      T* row = plane + (t * c.out_sh + c.out_t0) * c.out_w + c.out_u0;
      for (int64_t u = 0; u < c.grid_w; ++u) row[u * c.out_sw] = to[t * c.grid_w + u];
    }
  });
}

}  // namespace etch::runtime::contract
