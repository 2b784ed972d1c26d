// A convolution as a list of taps over a grid: the form that forward (one grid) and backward-data
// (one grid per stride phase) share.
#pragma once

#include <cstdint>

#include "ir/support/small_vec.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/gemm.h"

namespace etch::runtime::contract {

/// One number per tap; kernels up to 7 x 7 allocate nothing.
using TapList = SmallVec<int64_t, 49>;

/// out[n, o, t * out_sh + out_t0, u * out_sw + out_u0] = canonical sum over (tap, channel) of
/// weight * src[n, channel, t * sh + dh[tap], u * sw + dw[tap]], for every group.
struct TapConv {
  int64_t n, groups;
  int64_t channels, src_h, src_w;  // of one group of the source
  int64_t outs, out_h, out_w;      // of one group of the result
  int64_t grid_h, grid_w;
  int64_t sh, sw;
  int64_t out_t0 = 0, out_u0 = 0, out_sh = 1, out_sw = 1;
  TapList dh, dw;
  TapList tap;  // kh * kernel width + kw, ascending

  int64_t taps() const { return static_cast<int64_t>(tap.size()); }
  int64_t depth() const { return taps() * channels; }
  int64_t positions() const { return grid_h * grid_w; }
  int64_t src_plane() const { return src_h * src_w; }
  int64_t out_plane() const { return out_h * out_w; }
  bool dense_out() const { return out_sh == 1 && out_sw == 1; }
  /// One channel to one channel: no product of matrices is in it.
  bool depthwise() const { return channels == 1 && outs == 1 && taps() <= kDepth; }
  /// Multiply-adds of the whole convolution.
  int64_t work() const { return n * groups * positions() * outs * depth(); }
};

/// A weight of OIHW layout as the matrix of a TapConv: element (tap, channel, out) is
/// w[out * out_stride + channel * channel_stride + tap[...]], `all_taps` = kh * kw.
template <class T>
struct WeightView {
  const T* w;
  int64_t group_stride, out_stride, channel_stride, all_taps;
};

/// Elements of the packed weights: per group panels of [tap][channel][nr], or, depthwise, [tap].
template <class T>
int64_t packed_weight_elems(const Kernels<T>& kern, const TapConv& c);
template <class T>
void pack_weight(const Kernels<T>& kern, const TapConv& c, const WeightView<T>& w, T* out);

/// Elements of scratch that run_tap_conv() takes.
template <class T>
int64_t tap_conv_scratch(const Kernels<T>& kern, const TapConv& c);
template <class T>
void run_tap_conv(const Kernels<T>& kern, const TapConv& c, const T* src, const T* packed, T* out,
                  T* scratch);

/// The forward grid of `d`, and the backward-data grid of stride phase (a, b).
TapConv forward_taps(const Conv2dDesc& d);
TapConv backward_taps(const Conv2dDesc& d, int64_t a, int64_t b);

}  // namespace etch::runtime::contract
