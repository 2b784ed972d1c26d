#include "ir/ops/contract.h"

#include "ir/contraction.h"
#include "ir/grad.h"
#include "ir/ops/reduce.h"

namespace etch::ir {
namespace {

void require_rank(const Infer& c, size_t i, int rank) {
  if (c.in[i].rank() != rank) {
    c.fail(cat("expected operand ", i, " of rank ", rank, ", got ", c.in[i]));
  }
}

void require_types(const Infer& c) {
  if (c.in[0].dtype != c.in[1].dtype || !contains(c.op.info.types, c.in[0].dtype)) {
    c.fail(cat("expected two operands of one numeric dtype, got ", c.in[0], " and ", c.in[1]));
  }
}

template <class A>
void check_window(const Infer& c, const A& a) {
  auto all_at_least = [](const Axes& v, int64_t low) {
    return std::all_of(v.begin(), v.end(), [&](int64_t x) { return x >= low; });
  };
  bool ok = a.stride.size() == 2 && a.dilation.size() == 2 && a.padding.size() == 4 &&
            all_at_least(a.stride, 1) && all_at_least(a.dilation, 1) &&
            all_at_least(a.padding, 0) && a.groups >= 1;
  if (!ok) {
    c.fail(
        cat("expected two strides and dilations of at least 1, four paddings of at least 0 and "
            "groups of at least 1, got ",
            a.stride, " ", a.dilation, " ", a.padding, " ", a.groups));
  }
}

Dim window_count(const Infer& c, Dim size, int64_t pad, int64_t kernel, int64_t stride,
                 int64_t dilation) {
  Dim room = size + pad - (kernel - 1) * dilation - 1;
  if (dim_less(room, Dim(0)) == Truth::Yes) {
    c.fail(cat("a window of ", (kernel - 1) * dilation + 1, " does not fit size ", size,
               " with padding ", pad));
  }
  return room / Dim(stride) + 1;
}

int64_t static_size(const Infer& c, Dim d, std::string_view what) {
  if (!d.is_const()) c.fail(cat("expected a static ", what, ", got ", d));
  return d.value();
}

/// The shape of conv2d(x, weight); raises when the two and the window do not fit.
template <class A>
Shape conv_shape(const Infer& c, const Shape& x, const Shape& w, const A& a) {
  check_window(c, a);
  int64_t oc = static_size(c, w[0], "number of output channels");
  int64_t channels = static_size(c, x[1], "number of channels");
  if (channels % a.groups != 0 || oc % a.groups != 0 || !w[1].is(channels / a.groups)) {
    c.fail(cat("expected weight [O, C / groups, KH, KW] with groups dividing O and C, got ", w,
               " for ", x, " and ", a.groups, " groups"));
  }
  int64_t kh = static_size(c, w[2], "kernel size"), kw = static_size(c, w[3], "kernel size");
  if (kh < 1 || kw < 1) c.fail(cat("expected a kernel of at least 1 x 1, got ", w));
  Dim oh = window_count(c, x[2], a.padding[0] + a.padding[2], kh, a.stride[0], a.dilation[0]);
  Dim ow = window_count(c, x[3], a.padding[1] + a.padding[3], kw, a.stride[1], a.dilation[1]);
  return {x[0], w[0], oh, ow};
}

/// [..., m, n] as [... m, n].
Var rows_of(const Var& x) {
  if (x.rank() == 2) return x;
  Shape s = x.shape();
  Dim rows(1);
  for (size_t i = 0; i + 1 < s.size(); ++i) rows = rows * s[i];
  return op<Reshape>({{rows, s.back()}}, x);
}

}  // namespace

Var transpose_last(const Var& x) {
  Axes axes;
  int rank = x.rank();
  for (int i = 0; i < rank; ++i) axes.push_back(i);
  std::swap(axes[static_cast<size_t>(rank - 1)], axes[static_cast<size_t>(rank - 2)]);
  return op<Permute>({axes}, x);
}

void MatMul::infer(const Infer& c, Types& out) {
  require_types(c);
  if (c.in[0].rank() < 2 || c.in[1].rank() < 2) {
    c.fail(cat("expected operands of rank 2 or more, got ", c.in[0], " and ", c.in[1]),
           "Add an axis with unsqueeze");
  }
  const Shape &a = c.in[0].shape, &b = c.in[1].shape;
  Dim inner_a = a[a.size() - 1], inner_b = b[b.size() - 2];
  if (dim_equal(inner_a, inner_b) == Truth::No) {
    c.fail(cat("expected inner sizes to match, got ", a, " x ", b), "Transpose an operand?");
  }
  unify(c, inner_a, inner_b, "inner sizes");
  TensorType lead[2] = {c.in[0], c.in[1]};
  for (TensorType& t : lead) t.shape.resize(t.shape.size() - 2);
  Shape shape = broadcast_shapes(c, lead);
  shape.push_back(a[a.size() - 2]);
  shape.push_back(b[b.size() - 1]);
  out.push_back({c.in[0].dtype, shape});
}

void MatMul::kernel(const KernelCall& c) { reference_matmul(c.in[0], c.in[1], c.out[0]); }

Grads MatMul::vjp(const Call& c) {
  Var a = c.in(0), b = c.in(1), g = c.grad();
  Var da, db;
  if (c.wants(0)) da = sum_to_shape(op<MatMul>(g, transpose_last(b)), a.shape());
  if (c.wants(1) && b.rank() == 2) {
    // One product over all rows, where a sum would need a product of b's shape per batch.
    db = op<MatMul>(transpose_last(rows_of(a)), rows_of(g));
  } else if (c.wants(1)) {
    db = sum_to_shape(op<MatMul>(transpose_last(a), g), b.shape());
  }
  return {da, db};
}

void Conv2d::infer(const Infer& c, Types& out) {
  require_types(c);
  require_rank(c, 0, 4);
  require_rank(c, 1, 4);
  out.push_back({c.in[0].dtype, conv_shape(c, c.in[0].shape, c.in[1].shape, c.as<Attrs>())});
}

void Conv2d::kernel(const KernelCall& c) {
  const auto& a = c.as<Attrs>();
  reference_conv2d(conv_geometry(c.in[0], c.in[1], a.stride, a.padding, a.dilation, a.groups),
                   c.in[0], c.in[1], c.out[0]);
}

Grads Conv2d::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  Var x = c.in(0), w = c.in(1), g = c.grad();
  Grads out(2);
  if (c.wants(0)) {
    out[0] = op<Conv2dInputGrad>({x.shape(), a.stride, a.padding, a.dilation, a.groups}, g, w);
  }
  if (c.wants(1)) {
    Shape s = w.shape();
    out[1] = op<Conv2dWeightGrad>(
        {{s[2].value(), s[3].value()}, a.stride, a.padding, a.dilation, a.groups}, x, g);
  }
  return out;
}

void Conv2dInputGrad::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  require_types(c);
  require_rank(c, 0, 4);
  require_rank(c, 1, 4);
  if (a.input.size() != 4) c.fail(cat("expected an input shape of rank 4, got ", a.input));
  unify(c, conv_shape(c, a.input, c.in[1].shape, a), c.in[0].shape, "sizes of the gradient");
  out.push_back({c.in[0].dtype, a.input});
}

void Conv2dInputGrad::kernel(const KernelCall& c) {
  const auto& a = c.as<Attrs>();
  reference_conv2d_input_grad(
      conv_geometry(c.out[0], c.in[1], a.stride, a.padding, a.dilation, a.groups), c.in[0], c.in[1],
      c.out[0]);
}

Grads Conv2dInputGrad::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  Var g = c.in(0), w = c.in(1), gg = c.grad();
  Grads out(2);
  if (c.wants(0)) out[0] = op<Conv2d>({a.stride, a.padding, a.dilation, a.groups}, gg, w);
  if (c.wants(1)) {
    Shape s = w.shape();
    out[1] = op<Conv2dWeightGrad>(
        {{s[2].value(), s[3].value()}, a.stride, a.padding, a.dilation, a.groups}, gg, g);
  }
  return out;
}

void Conv2dWeightGrad::infer(const Infer& c, Types& out) {
  const auto& a = c.as<Attrs>();
  require_types(c);
  require_rank(c, 0, 4);
  require_rank(c, 1, 4);
  if (a.kernel.size() != 2) c.fail(cat("expected two kernel sizes, got ", a.kernel));
  if (a.groups < 1) c.fail(cat("expected at least one group, got ", a.groups));
  int64_t channels = static_size(c, c.in[0].shape[1], "number of channels");
  Shape w = {c.in[1].shape[1], Dim(channels / a.groups), Dim(a.kernel[0]), Dim(a.kernel[1])};
  unify(c, conv_shape(c, c.in[0].shape, w, a), c.in[1].shape, "sizes of the gradient");
  out.push_back({c.in[0].dtype, w});
}

void Conv2dWeightGrad::kernel(const KernelCall& c) {
  const auto& a = c.as<Attrs>();
  reference_conv2d_weight_grad(
      conv_geometry(c.in[0], c.out[0], a.stride, a.padding, a.dilation, a.groups), c.in[0], c.in[1],
      c.out[0]);
}

Grads Conv2dWeightGrad::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  Var x = c.in(0), g = c.in(1), gw = c.grad();
  Grads out(2);
  if (c.wants(0)) {
    out[0] = op<Conv2dInputGrad>({x.shape(), a.stride, a.padding, a.dilation, a.groups}, g, gw);
  }
  if (c.wants(1)) out[1] = op<Conv2d>({a.stride, a.padding, a.dilation, a.groups}, x, gw);
  return out;
}

}  // namespace etch::ir
