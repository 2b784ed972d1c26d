#include "ir/support/error.h"
#include "runtime/contract/conv_taps.h"
#include "runtime/contract/conv_weights.h"
#include "runtime/contract/dispatch.h"
#include "runtime/contract/reference.h"

namespace etch::runtime::contract {
namespace {

template <class T>
WeightView<T> forward_view(const Conv2dDesc& d, const T* w) {
  const int64_t taps = d.kh * d.kw;
  return {w, d.group_oc() * d.group_c() * taps, d.group_c() * taps, taps, taps};
}

/// The same weights read as (result channel = input channel, channel = output channel).
template <class T>
WeightView<T> backward_view(const Conv2dDesc& d, const T* w) {
  const int64_t taps = d.kh * d.kw;
  return {w, d.group_oc() * d.group_c() * taps, taps, d.group_c() * taps, taps};
}

template <class T>
T* take(Scratch& scratch, int64_t elems) {
  return static_cast<T*>(scratch.get(static_cast<size_t>(elems) * sizeof(T)));
}

/// Packs the weights and runs one grid.
template <class T>
void pack_and_run(const TapConv& c, const WeightView<T>& w, const T* src, T* out,
                  Scratch& scratch) {
  const Kernels<T>& kern = kernels<T>(active_isa());
  const int64_t weight = packed_weight_elems(kern, c);
  T* memory = take<T>(scratch, weight + tap_conv_scratch(kern, c));
  pack_weight(kern, c, w, memory);
  run_tap_conv(kern, c, src, memory, out, memory + weight);
}

void require_float(DType dtype) {
  if (dtype == DType::F32 || dtype == DType::F64) return;
  fail("conv2d", cat("element type ", dtype, " has no packed layout"),
       "Packed weights exist for f32 and f64; use conv2d_forward() instead");
}

}  // namespace

void conv2d_forward(const Conv2dDesc& d, const void* x, const void* weight, void* y,
                    Scratch& scratch) {
  for_contract_type(d.dtype, "conv2d", [&]<class T>(T) {
    const T* xs = static_cast<const T*>(x);
    const T* ws = static_cast<const T*>(weight);
    T* ys = static_cast<T*>(y);
    if constexpr (std::is_floating_point_v<T>) {
      pack_and_run(forward_taps(d), forward_view(d, ws), xs, ys, scratch);
    } else {
      reference_conv2d_forward(d, xs, ws, ys);
    }
  });
}

void conv2d_backward_data(const Conv2dDesc& d, const void* dy, const void* weight, void* dx,
                          Scratch& scratch) {
  for_contract_type(d.dtype, "conv2d_backward_data", [&]<class T>(T) {
    const T* dys = static_cast<const T*>(dy);
    const T* ws = static_cast<const T*>(weight);
    T* dxs = static_cast<T*>(dx);
    if constexpr (std::is_floating_point_v<T>) {
      for (int64_t a = 0; a < d.stride_h; ++a) {
        for (int64_t b = 0; b < d.stride_w; ++b) {
          pack_and_run(backward_taps(d, a, b), backward_view(d, ws), dys, dxs, scratch);
        }
      }
    } else {
      reference_conv2d_backward_data(d, dys, ws, dxs);
    }
  });
}

void conv2d_backward_weights(const Conv2dDesc& d, const void* x, const void* dy, void* dweight,
                             Scratch& scratch) {
  for_contract_type(d.dtype, "conv2d_backward_weights", [&]<class T>(T) {
    const T* xs = static_cast<const T*>(x);
    const T* dys = static_cast<const T*>(dy);
    T* dws = static_cast<T*>(dweight);
    if constexpr (std::is_floating_point_v<T>) {
      backward_weights(kernels<T>(active_isa()), d, xs, dys, dws, scratch);
    } else {
      reference_conv2d_backward_weights(d, xs, dys, dws);
    }
  });
}

size_t packed_conv_weight_bytes(const Conv2dDesc& d, Isa isa) {
  require_float(d.dtype);
  const TapConv c = forward_taps(d);
  return d.dtype == DType::F32
             ? static_cast<size_t>(packed_weight_elems(kernels<float>(isa), c)) * sizeof(float)
             : static_cast<size_t>(packed_weight_elems(kernels<double>(isa), c)) * sizeof(double);
}

PackedConvWeight pack_conv_weight(const Conv2dDesc& d, const void* weight, Isa isa, void* out) {
  require_float(d.dtype);
  for_contract_type(d.dtype, "pack_conv_weight", [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      pack_weight(kernels<T>(isa), forward_taps(d), forward_view(d, static_cast<const T*>(weight)),
                  static_cast<T*>(out));
    }
  });
  return {d.dtype, isa, out};
}

void conv2d_forward_packed(const Conv2dDesc& d, const void* x, const PackedConvWeight& weight,
                           void* y, Scratch& scratch) {
  require_float(d.dtype);
  invariant(d.dtype == weight.dtype, "packed weights of another element type");
  const TapConv c = forward_taps(d);
  for_contract_type(d.dtype, "conv2d", [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      const Kernels<T>& kern = kernels<T>(weight.isa);
      T* memory = take<T>(scratch, tap_conv_scratch(kern, c));
      run_tap_conv(kern, c, static_cast<const T*>(x), static_cast<const T*>(weight.data),
                   static_cast<T*>(y), memory);
    }
  });
}

}  // namespace etch::runtime::contract
