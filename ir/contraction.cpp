#include "ir/contraction.h"

#include "ir/dtype_dispatch.h"

namespace etch::ir {
namespace {

template <class F>
void with_type(DType t, F&& f) {
  if (!with_product_type(t, f)) fail_internal(cat("no contraction kernel for ", t));
}

/// Element offset of `batch` (row-major over the leading axes of out) in a dense operand.
int64_t batch_offset(const TensorRef& x, const TensorRef& out, int64_t batch) {
  int64_t offset = 0, stride = 1;
  int lead = x.rank() - 2, out_lead = out.rank() - 2;
  stride = x.sizes[static_cast<size_t>(lead)] * x.sizes[static_cast<size_t>(lead) + 1];
  for (int i = 0; i < out_lead; ++i) {
    size_t o = static_cast<size_t>(out_lead - 1 - i);
    int64_t index = batch % out.sizes[o];
    batch /= out.sizes[o];
    if (i >= lead) continue;
    int64_t size = x.sizes[static_cast<size_t>(lead - 1 - i)];
    if (size != 1) offset += index * stride;
    stride *= size;
  }
  return offset;
}

}  // namespace

void reference_matmul(const TensorRef& a, const TensorRef& b, const TensorRef& c) {
  size_t ar = a.sizes.size(), br = b.sizes.size(), cr = c.sizes.size();
  contract::MatmulDesc d;
  d.dtype = a.dtype;
  d.m = c.sizes[cr - 2];
  d.n = c.sizes[cr - 1];
  d.k = a.sizes[ar - 1];
  d.a_row = d.k;
  d.b_row = b.sizes[br - 1];
  d.c_row = d.n;
  int64_t batches = 1;
  for (size_t i = 0; i + 2 < cr; ++i) batches *= c.sizes[i];
  with_type(a.dtype, [&]<class T>(T) {
    for (int64_t z = 0; z < batches; ++z) {
      d.a = a.as<T>() + batch_offset(a, c, z);
      d.b = b.as<T>() + batch_offset(b, c, z);
      d.c = c.as<T>() + z * d.m * d.n;
      contract::reference_matmul<T>(d);
    }
  });
}

contract::Conv2dDesc conv_geometry(const TensorRef& x, const TensorRef& weight,
                                   std::span<const int64_t> stride,
                                   std::span<const int64_t> padding,
                                   std::span<const int64_t> dilation, int64_t groups) {
  contract::Conv2dDesc d;
  d.dtype = x.dtype;
  d.n = x.sizes[0];
  d.c = x.sizes[1];
  d.h = x.sizes[2];
  d.w = x.sizes[3];
  d.oc = weight.sizes[0];
  d.kh = weight.sizes[2];
  d.kw = weight.sizes[3];
  d.stride_h = stride[0];
  d.stride_w = stride[1];
  d.pad_top = padding[0];
  d.pad_left = padding[1];
  d.pad_bottom = padding[2];
  d.pad_right = padding[3];
  d.dil_h = dilation[0];
  d.dil_w = dilation[1];
  d.groups = groups;
  return d;
}

void reference_conv2d(const contract::Conv2dDesc& d, const TensorRef& x, const TensorRef& w,
                      const TensorRef& y) {
  with_type(d.dtype, [&]<class T>(T) {
    contract::reference_conv2d_forward<T>(d, x.as<T>(), w.as<T>(), y.as<T>());
  });
}

void reference_conv2d_input_grad(const contract::Conv2dDesc& d, const TensorRef& dy,
                                 const TensorRef& w, const TensorRef& dx) {
  with_type(d.dtype, [&]<class T>(T) {
    contract::reference_conv2d_backward_data<T>(d, dy.as<T>(), w.as<T>(), dx.as<T>());
  });
}

void reference_conv2d_weight_grad(const contract::Conv2dDesc& d, const TensorRef& x,
                                  const TensorRef& dy, const TensorRef& dw) {
  with_type(d.dtype, [&]<class T>(T) {
    contract::reference_conv2d_backward_weights<T>(d, x.as<T>(), dy.as<T>(), dw.as<T>());
  });
}

}  // namespace etch::ir
