// The source planes of a convolution as the packing kernels want them: columns of unit stride. With
// a column stride, the columns that any tap needs are sorted by phase into scratch first.
#pragma once

#include <vector>

#include "runtime/contract/conv_taps.h"

namespace etch::runtime::contract {

template <class T>
class ConvSource {
 public:
  explicit ConvSource(const TapConv& c) : c_(c) {
    std::vector<int64_t> start(static_cast<size_t>(c.sw), -1);
    for (size_t q = 0; q < c.dw.size(); ++q) {
      const int64_t phase = ((c.dw[q] % c.sw) + c.sw) % c.sw;
      const int64_t width = c.src_w > phase ? ceil_div(c.src_w - phase, c.sw) : 0;
      if (start[static_cast<size_t>(phase)] < 0) {
        start[static_cast<size_t>(phase)] = row_;
        phases_.push_back({phase, row_, width});
        row_ += width;
      }
      dw_.push_back((c.dw[q] - phase) / c.sw);
      offset_.push_back(start[static_cast<size_t>(phase)]);
      width_.push_back(width);
    }
    if (c.sw == 1) row_ = c.src_w;
  }

  /// Elements of scratch that sort() fills.
  int64_t elems() const {
    return c_.sw == 1 ? 0 : buffer_elems<T>(c_.n * c_.groups * c_.channels * c_.src_h * row_);
  }

  /// Makes patches() ready: sorts the planes of `src` into `scratch` when columns are strided.
  void sort(const Kernels<T>& kern, const T* src, T* scratch, int64_t slots) {
    planes_ = src;
    if (c_.sw == 1) return;
    planes_ = scratch;
    run_tasks(slots, c_.n * c_.groups * c_.channels, [&](int64_t, int64_t plane) {
      const T* from = src + plane * c_.src_plane();
      T* to = scratch + plane * c_.src_h * row_;
      for (int64_t r = 0; r < c_.src_h; ++r) {
        if (!row_used(r)) continue;
        for (const Phase& p : phases_) {
          kern.every_nth(to + r * row_ + p.start, from + r * c_.src_w + p.phase, p.width, c_.sw);
        }
      }
    });
  }

  Patches<T> patches(int64_t n, int64_t g) const {
    const int64_t plane = c_.src_h * row_;
    return {planes_ + (n * c_.groups + g) * c_.channels * plane,
            plane,
            row_,
            c_.src_h,
            c_.channels,
            c_.grid_w,
            c_.sh,
            c_.dh.data(),
            dw_.data(),
            offset_.data(),
            width_.data()};
  }

 private:
  struct Phase {
    int64_t phase, start, width;
  };

  /// True when some tap of some grid row reads source row r.
  bool row_used(int64_t r) const {
    for (int64_t dh : c_.dh) {
      if ((r - dh) % c_.sh == 0) return true;
    }
    return false;
  }

  const TapConv& c_;
  std::vector<Phase> phases_;
  std::vector<int64_t> dw_, offset_, width_;
  int64_t row_ = 0;
  const T* planes_ = nullptr;
};

}  // namespace etch::runtime::contract
