// The source planes of a convolution as its grid reads them: sorted by stride phase, with the
// padding in place, so that every tap is the grid moved by a constant. Planes that are so already
// are read where they lie.
#pragma once

#include "runtime/contract/conv_taps.h"

namespace etch::runtime::contract {

/// Where a grid finds its taps in a plane. Holds pointers into itself: not copied.
class PlaneLayout {
 public:
  /// `align`, when not 0: always copied, rows a multiple of that many elements apart.
  explicit PlaneLayout(const TapConv& c, int64_t align = 0) {
    const auto [top, bottom] = std::minmax_element(c.dh.begin(), c.dh.end());
    const auto [left, right] = std::minmax_element(c.dw.begin(), c.dw.end());
    copied_ = align != 0 || c.sw != 1 || *top < 0 || *left < 0 ||
              (c.grid_h - 1) * c.sh + *bottom >= c.src_h || c.grid_w - 1 + *right >= c.src_w;
    if (!copied_) {
      row_step_ = c.sh * c.src_w;
      elems_ = c.src_plane();
      for (size_t q = 0; q < c.dh.size(); ++q) tap_.push_back(c.dh[q] * c.src_w + c.dw[q]);
      return;
    }
    for (size_t q = 0; q < c.dh.size(); ++q) {
      add_once(row_phase_, (c.dh[q] - *top) % c.sh);
      add_once(col_phase_, (c.dw[q] - *left) % c.sw);
    }
    const auto row_phases = static_cast<int64_t>(row_phase_.size());
    const auto col_phases = static_cast<int64_t>(col_phase_.size());
    const int64_t width = c.grid_w + (*right - *left) / c.sw;
    copy_ = {c.src_h,
             c.src_w,
             c.sh,
             c.sw,
             *top,
             *left,
             row_phases,
             c.grid_h + (*bottom - *top) / c.sh,
             col_phases,
             align == 0 ? width : round_up(width, align),
             row_phase_.data(),
             col_phase_.data()};
    row_step_ = col_phases * copy_.width;
    elems_ = row_phases * copy_.rows * row_step_;
    for (size_t q = 0; q < c.dh.size(); ++q) {
      const int64_t row = c.dh[q] - *top, col = c.dw[q] - *left;
      tap_.push_back((index_of(row_phase_, row % c.sh) * copy_.rows + row / c.sh) * row_step_ +
                     index_of(col_phase_, col % c.sw) * copy_.width + col / c.sw);
    }
  }
  PlaneLayout(const PlaneLayout&) = delete;
  PlaneLayout& operator=(const PlaneLayout&) = delete;

  bool copied() const { return copied_; }
  /// How to copy; only when copied().
  const PlaneCopy& copy() const { return copy_; }
  /// Elements between planes, and between grid rows.
  int64_t elems() const { return elems_; }
  int64_t row_step() const { return row_step_; }
  /// Offset of each tap from a grid position.
  const TapList& taps() const { return tap_; }

 private:
  static void add_once(TapList& list, int64_t value) {
    if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
  }
  static int64_t index_of(const TapList& list, int64_t value) {
    return std::find(list.begin(), list.end(), value) - list.begin();
  }

  bool copied_ = false;
  int64_t elems_ = 0, row_step_ = 0;
  TapList row_phase_, col_phase_, tap_;
  PlaneCopy copy_{};
};

/// The planes of one image and group as an implicit-GEMM operand.
template <class T>
class ConvSource {
 public:
  ConvSource(const Kernels<T>& kern, const TapConv& c) : kern_(kern), c_(c), layout_(c) {}

  bool copied() const { return layout_.copied(); }
  /// Elements that copies of `planes` planes take; 0 when they are read in place.
  int64_t elems(int64_t planes) const {
    return copied() ? buffer_elems<T>(planes * layout_.elems()) : 0;
  }
  /// Elements of the table of terms for `channels` of the source's channels.
  int64_t table_elems(int64_t channels) const {
    return buffer_elems<T>((c_.taps() * channels + kTermsAhead) *
                           static_cast<int64_t>(sizeof(int64_t) / sizeof(T)));
  }

  /// Fills the table of terms and gives it: tap-major, `channels` neighbours each.
  const int64_t* table(T* memory, int64_t channels) const {
    auto* term = reinterpret_cast<int64_t*>(memory);
    for (int64_t q = 0; q < c_.taps(); ++q) {
      for (int64_t ch = 0; ch < channels; ++ch) {
        term[q * channels + ch] = layout_.taps()[static_cast<size_t>(q)] + ch * layout_.elems();
      }
    }
    const int64_t last = c_.taps() * channels;
    for (int64_t i = 0; i < kTermsAhead; ++i) term[last + i] = term[last - 1];
    return term;
  }

  /// Copies plane `plane` of src (counted over images, groups and channels) to its place in `to`.
  void copy(const T* src, int64_t plane, T* to) const {
    kern_.copy_plane(to, src + plane * c_.src_plane(), layout_.copy());
  }
  /// The same for `count` planes, side by side.
  void copy(const T* src, int64_t plane, int64_t count, T* to) const {
    for (int64_t i = 0; i < count; ++i) copy(src, plane + i, to + i * layout_.elems());
  }
  int64_t plane_elems() const { return layout_.elems(); }

  Patches<T> patches(const T* planes, const int64_t* table) const {
    // Rows that follow each other are one long row.
    const bool joined = layout_.row_step() == c_.grid_w;
    return {planes, layout_.row_step(), joined ? c_.positions() : c_.grid_w, table};
  }

 private:
  const Kernels<T>& kern_;
  const TapConv& c_;
  PlaneLayout layout_;
};

}  // namespace etch::runtime::contract
