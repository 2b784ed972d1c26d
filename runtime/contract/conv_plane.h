// Depthwise convolution: every plane is padded and split by column stride into a small buffer,
// then convolved with unit-stride vector loads.
#pragma once

#include "runtime/contract/conv_taps.h"

namespace etch::runtime::contract {

/// The buffer of one plane: rows x (stride phases x width).
struct PlaneLayout {
  int64_t row0, col0;  // source position of the buffer's origin
  int64_t rows, width, phases;
  int64_t elems() const { return rows * phases * width; }
};

inline PlaneLayout plane_layout(const TapConv& c) {
  const auto [top, bottom] = std::minmax_element(c.dh.begin(), c.dh.end());
  const auto [left, right] = std::minmax_element(c.dw.begin(), c.dw.end());
  return {*top, *left, (c.grid_h - 1) * c.sh + *bottom - *top + 1,
          c.grid_w + (*right - *left) / c.sw, c.sw};
}

template <class T>
int64_t plane_conv_scratch(const Kernels<T>& kern, const TapConv& c) {
  // The kernel may read four vectors beyond the last column.
  const int64_t one = buffer_elems<T>(plane_layout(c).elems() + 4 * kern.width);
  const int64_t tile = c.dense_out() ? 0 : buffer_elems<T>(c.positions());
  return task_slots(c.work()) * (one + tile);
}

/// Copies a source plane into the layout, zeros outside.
template <class T>
void fill_plane(const Kernels<T>& kern, const TapConv& c, const PlaneLayout& l, const T* plane,
                T* buffer) {
  for (int64_t r = 0; r < l.rows; ++r) {
    const int64_t row = l.row0 + r;
    for (int64_t phase = 0; phase < l.phases; ++phase) {
      T* to = buffer + (r * l.phases + phase) * l.width;
      // Columns first + i * sw for i in [lo, hi) lie inside the plane.
      const int64_t first = l.col0 + phase;
      const bool inside = row >= 0 && row < c.src_h;
      int64_t lo = first >= 0 ? 0 : ceil_div(-first, c.sw);
      int64_t hi = c.src_w > first ? ceil_div(c.src_w - first, c.sw) : 0;
      hi = inside ? std::min(hi, l.width) : 0;
      lo = std::min(lo, hi);
      std::fill(to, to + lo, T{0});
      const T* from = plane + row * c.src_w + first;
      if (c.sw == 1) {
        std::copy(from + lo, from + hi, to + lo);
      } else {
        kern.every_nth(to + lo, from + lo * c.sw, hi - lo, c.sw);
      }
      std::fill(to + hi, to + l.width, T{0});
    }
  }
}

template <class T>
void run_plane_conv(const Kernels<T>& kern, const TapConv& c, const T* src, const T* weight, T* out,
                    T* scratch) {
  const PlaneLayout l = plane_layout(c);
  const int64_t one = buffer_elems<T>(l.elems() + 4 * kern.width);
  const int64_t tile = c.dense_out() ? 0 : buffer_elems<T>(c.positions());
  std::vector<int64_t> off;
  for (int64_t q = 0; q < c.taps(); ++q) {
    const int64_t col = c.dw[q] - l.col0;
    off.push_back(((c.dh[q] - l.row0) * l.phases + col % l.phases) * l.width + col / l.phases);
  }
  run_tasks(task_slots(c.work()), c.n * c.groups, [&](int64_t slot, int64_t item) {
    T* buffer = scratch + slot * (one + tile);
    fill_plane(kern, c, l, src + item * c.src_plane(), buffer);
    std::fill(buffer + l.elems(), buffer + one, T{0});
    T* plane = out + item * c.out_plane();
    T* to = c.dense_out() ? plane : buffer + one;
    kern.plane_conv({buffer, l.phases * l.width, c.sh, c.taps(),
                     weight + item % c.groups * c.taps(), off.data(), c.grid_h, c.grid_w, to,
                     c.dense_out() ? c.out_w : c.grid_w});
    if (c.dense_out()) return;
    for (int64_t t = 0; t < c.grid_h; ++t) {
      T* row = plane + (t * c.out_sh + c.out_t0) * c.out_w + c.out_u0;
      for (int64_t u = 0; u < c.grid_w; ++u) row[u * c.out_sw] = to[t * c.grid_w + u];
    }
  });
}

}  // namespace etch::runtime::contract
