// Sums of products, in the canonical order of docs/decisions/001-contraction-order.md.
#pragma once

#include "ir/ops/view.h"

namespace etch::ir {

/// The last two axes swapped.
Var transpose_last(const Var& x);

/// Matrix product of the last two axes; leading axes broadcast. Rank 2 or more on both sides.
struct MatMul : Contraction<2> {
  static constexpr OpInfo info{.name = "matmul",
                               .doc = "matrix product of the last two axes, leading axes broadcast",
                               .types = kNumeric,
                               .onnx = {.op = "MatMul", .since = 9}};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

struct Conv2dAttrs {
  Axes stride = {1, 1};
  Axes padding = {0, 0, 0, 0};  // top, left, bottom, right
  Axes dilation = {1, 1};
  int64_t groups = 1;
  static constexpr auto fields() {
    return std::tuple{
        field("stride", &Conv2dAttrs::stride), field("padding", &Conv2dAttrs::padding),
        field("dilation", &Conv2dAttrs::dilation), field("groups", &Conv2dAttrs::groups)};
  }
};

/// Cross-correlation of x [N, C, H, W] with weight [O, C / groups, KH, KW]; zero padding.
struct Conv2d : Contraction<2> {
  using Attrs = Conv2dAttrs;
  static constexpr OpInfo info{.name = "conv2d",
                               .doc = "2-d convolution (cross-correlation), NCHW",
                               .types = kFloats,
                               .onnx = kOwnOnnx(1),
                               .operands = "x weight"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// The gradient of conv2d in x: (grad, weight) -> x's shape.
struct Conv2dInputGrad : Contraction<2> {
  struct Attrs {
    Shape input;  // of x
    Axes stride = {1, 1};
    Axes padding = {0, 0, 0, 0};
    Axes dilation = {1, 1};
    int64_t groups = 1;
    static constexpr auto fields() {
      return std::tuple{field("input", &Attrs::input), field("stride", &Attrs::stride),
                        field("padding", &Attrs::padding), field("dilation", &Attrs::dilation),
                        field("groups", &Attrs::groups)};
    }
  };
  static constexpr OpInfo info{.name = "conv2d_input_grad",
                               .doc = "gradient of conv2d in its input",
                               .types = kFloats,
                               .onnx = kNoOnnx("a gradient; inference graphs do not contain it"),
                               .operands = "grad weight"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

/// The gradient of conv2d in its weight: (x, grad) -> weight's shape, summed over the batch.
struct Conv2dWeightGrad : Contraction<2> {
  struct Attrs {
    Axes kernel = {1, 1};  // KH, KW
    Axes stride = {1, 1};
    Axes padding = {0, 0, 0, 0};
    Axes dilation = {1, 1};
    int64_t groups = 1;
    static constexpr auto fields() {
      return std::tuple{field("kernel", &Attrs::kernel), field("stride", &Attrs::stride),
                        field("padding", &Attrs::padding), field("dilation", &Attrs::dilation),
                        field("groups", &Attrs::groups)};
    }
  };
  static constexpr OpInfo info{.name = "conv2d_weight_grad",
                               .doc = "gradient of conv2d in its weight",
                               .types = kFloats,
                               .onnx = kNoOnnx("a gradient; inference graphs do not contain it"),
                               .operands = "x grad"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

using ContractOps = OpList<Conv2d, Conv2dInputGrad, Conv2dWeightGrad, MatMul>;

}  // namespace etch::ir
