// The canonical order of contractions, as naive loops. This is the definition that all kernels
// reproduce bit for bit (all NaNs counting as one value), and the oracle of their tests.
//
// A sum of products over k ascending terms: terms are cut into chunks of kChunk; within a chunk,
// one chain acc = fma(a, b, acc) that starts at +0; total = chunk 0, then total += chunk 1, ... in
// order. The first chunk's result is taken as it is (not added to +0, which would turn -0 into
// +0). No terms: +0.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "ir/op.h"

namespace etch::ir::contract {

/// C[b] = A[b] x B[b] for b < batch; A(i, p) = a[i * a_row + p * a_col] is m x k, B(p, j) =
/// b[p * b_row + j * b_col] is k x n, C(i, j) = c[i * c_row + j]. Strides count elements, may be 0
/// or negative for A and B; a batch stride of 0 broadcasts.
struct MatmulDesc {
  DType dtype = DType::F32;
  int64_t batch = 1, m = 0, n = 0, k = 0;
  const void* a = nullptr;
  const void* b = nullptr;
  void* c = nullptr;
  int64_t a_batch = 0, b_batch = 0, c_batch = 0;
  int64_t a_row = 0, a_col = 1, b_row = 0, b_col = 1, c_row = 0;
};

/// A 2-d convolution (cross-correlation) of dense NCHW tensors: x[n, c, h, w] with weights
/// [oc, c / groups, kh, kw] gives y[n, oc, out_h, out_w]. Padding is zeros.
struct Conv2dDesc {
  DType dtype = DType::F32;
  int64_t n = 1, c = 1, h = 1, w = 1;
  int64_t oc = 1, kh = 1, kw = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t dil_h = 1, dil_w = 1;
  int64_t groups = 1;

  int64_t out_h() const { return out_size(h, pad_top + pad_bottom, kh, stride_h, dil_h); }
  int64_t out_w() const { return out_size(w, pad_left + pad_right, kw, stride_w, dil_w); }
  int64_t group_c() const { return c / groups; }
  int64_t group_oc() const { return oc / groups; }

  /// Positions of a dilated kernel in a padded extent; 0 when it does not fit.
  static constexpr int64_t out_size(int64_t in, int64_t pad, int64_t kernel, int64_t stride,
                                    int64_t dil) {
    const int64_t span = (kernel - 1) * dil + 1;
    return in + pad < span ? 0 : (in + pad - span) / stride + 1;
  }
};

/// Terms per chunk; part of the numerics contract (docs/decisions/001-contraction-order.md).
inline constexpr int64_t kChunk = 512;

/// acc + a * b: rounded once for floats, wrapping for integers.
template <class T>
inline T multiply_add(T a, T b, T acc) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fma(a, b, acc);
  } else {
    // At least 32 unsigned bits: small types would promote to int, whose overflow is undefined.
    using U = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b) + static_cast<U>(acc));
  }
}

/// The running state of one output.
template <class T>
class CanonicalSum {
 public:
  void add(T a, T b) {
    if (in_chunk_ == kChunk) close_chunk();
    chain_ = multiply_add(a, b, chain_);
    ++in_chunk_;
  }
  T result() {
    if (in_chunk_ != 0) close_chunk();
    return total_;
  }

 private:
  void close_chunk() {
    if constexpr (std::is_floating_point_v<T>) {
      total_ = first_ ? chain_ : total_ + chain_;
    } else {
      total_ = multiply_add(chain_, T{1}, total_);
    }
    first_ = false;
    chain_ = T{0};
    in_chunk_ = 0;
  }

  T chain_{0};
  T total_{0};
  int64_t in_chunk_ = 0;
  bool first_ = true;
};

/// matmul(): p ascending.
template <class T>
void reference_matmul(const MatmulDesc& d) {
  for (int64_t z = 0; z < d.batch; ++z) {
    const T* a = static_cast<const T*>(d.a) + z * d.a_batch;
    const T* b = static_cast<const T*>(d.b) + z * d.b_batch;
    T* c = static_cast<T*>(d.c) + z * d.c_batch;
    for (int64_t i = 0; i < d.m; ++i) {
      for (int64_t j = 0; j < d.n; ++j) {
        CanonicalSum<T> sum;
        for (int64_t p = 0; p < d.k; ++p) {
          sum.add(a[i * d.a_row + p * d.a_col], b[p * d.b_row + j * d.b_col]);
        }
        c[i * d.c_row + j] = sum.result();
      }
    }
  }
}

namespace detail {
/// plane[y, x] of an h x w plane, +0 outside.
template <class T>
T at_or_zero(const T* plane, int64_t y, int64_t x, int64_t h, int64_t w) {
  return y >= 0 && y < h && x >= 0 && x < w ? plane[y * w + x] : T{0};
}
}  // namespace detail

/// conv2d_forward(): (kh, kw, c) ascending.
template <class T>
void reference_conv2d_forward(const Conv2dDesc& d, const T* x, const T* weight, T* y) {
  const int64_t oh_n = d.out_h(), ow_n = d.out_w(), gc = d.group_c(), taps = d.kh * d.kw;
  for (int64_t out = 0; out < d.n * d.oc * oh_n * ow_n; ++out) {
    const int64_t ow = out % ow_n, oh = out / ow_n % oh_n, o = out / (ow_n * oh_n) % d.oc;
    const int64_t n = out / (ow_n * oh_n * d.oc);
    const T* planes = x + (n * d.c + o / d.group_oc() * gc) * d.h * d.w;
    CanonicalSum<T> sum;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t ih = oh * d.stride_h - d.pad_top + tap / d.kw * d.dil_h;
      const int64_t iw = ow * d.stride_w - d.pad_left + tap % d.kw * d.dil_w;
      for (int64_t c = 0; c < gc; ++c) {
        sum.add(weight[(o * gc + c) * taps + tap],
                detail::at_or_zero(planes + c * d.h * d.w, ih, iw, d.h, d.w));
      }
    }
    y[out] = sum.result();
  }
}

/// conv2d_backward_data(): (kh, kw, oc) ascending over the taps that exist for the pixel: those
/// whose distance to it is a multiple of the stride. Positions outside dy count as zeros.
template <class T>
void reference_conv2d_backward_data(const Conv2dDesc& d, const T* dy, const T* weight, T* dx) {
  const int64_t oh_n = d.out_h(), ow_n = d.out_w(), gc = d.group_c(), goc = d.group_oc();
  const int64_t taps = d.kh * d.kw;
  for (int64_t out = 0; out < d.n * d.c * d.h * d.w; ++out) {
    const int64_t iw = out % d.w, ih = out / d.w % d.h, c = out / (d.w * d.h) % d.c;
    const int64_t n = out / (d.w * d.h * d.c), o0 = c / gc * goc;
    CanonicalSum<T> sum;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t th = ih + d.pad_top - tap / d.kw * d.dil_h;
      const int64_t tw = iw + d.pad_left - tap % d.kw * d.dil_w;
      if (th % d.stride_h != 0 || tw % d.stride_w != 0) continue;
      for (int64_t o = o0; o < o0 + goc; ++o) {
        sum.add(weight[(o * gc + c % gc) * taps + tap],
                detail::at_or_zero(dy + (n * d.oc + o) * oh_n * ow_n, th / d.stride_h,
                                   tw / d.stride_w, oh_n, ow_n));
      }
    }
    dx[out] = sum.result();
  }
}

/// conv2d_backward_weights(): (n, oh, ow) ascending over the whole batch.
template <class T>
void reference_conv2d_backward_weights(const Conv2dDesc& d, const T* x, const T* dy, T* dweight) {
  const int64_t oh_n = d.out_h(), ow_n = d.out_w(), gc = d.group_c(), taps = d.kh * d.kw;
  for (int64_t out = 0; out < d.oc * gc * taps; ++out) {
    const int64_t tap = out % taps, c = out / taps % gc, o = out / (taps * gc);
    CanonicalSum<T> sum;
    for (int64_t n = 0; n < d.n; ++n) {
      const T* plane = x + (n * d.c + o / d.group_oc() * gc + c) * d.h * d.w;
      for (int64_t pixel = 0; pixel < oh_n * ow_n; ++pixel) {
        const int64_t ih = pixel / ow_n * d.stride_h - d.pad_top + tap / d.kw * d.dil_h;
        const int64_t iw = pixel % ow_n * d.stride_w - d.pad_left + tap % d.kw * d.dil_w;
        sum.add(dy[(n * d.oc + o) * oh_n * ow_n + pixel],
                detail::at_or_zero(plane, ih, iw, d.h, d.w));
      }
    }
    dweight[out] = sum.result();
  }
}

}  // namespace etch::ir::contract

namespace etch::ir {

/// The reference kernels of the contraction operators: shape arithmetic around the loops above.
void reference_matmul(const TensorRef& a, const TensorRef& b, const TensorRef& c);
contract::Conv2dDesc conv_geometry(const TensorRef& x, const TensorRef& weight,
                                   std::span<const int64_t> stride,
                                   std::span<const int64_t> padding,
                                   std::span<const int64_t> dilation, int64_t groups);
void reference_conv2d(const contract::Conv2dDesc& d, const TensorRef& x, const TensorRef& w,
                      const TensorRef& y);
void reference_conv2d_input_grad(const contract::Conv2dDesc& d, const TensorRef& dy,
                                 const TensorRef& w, const TensorRef& dx);
void reference_conv2d_weight_grad(const contract::Conv2dDesc& d, const TensorRef& x,
                                  const TensorRef& dy, const TensorRef& dw);

}  // namespace etch::ir
