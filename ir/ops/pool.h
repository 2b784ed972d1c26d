// Pooling over 2-d windows, NCHW.
#pragma once

#include "ir/ops/contract.h"

namespace etch::ir {

struct PoolAttrs {
  Axes kernel = {2, 2};
  Axes stride = {2, 2};
  Axes padding = {0, 0, 0, 0};  // top, left, bottom, right
  static constexpr auto fields() {
    return std::tuple{field("kernel", &PoolAttrs::kernel), field("stride", &PoolAttrs::stride),
                      field("padding", &PoolAttrs::padding)};
  }
};
struct PoolGradAttrs {
  Shape input;  // of x
  Axes kernel = {2, 2};
  Axes stride = {2, 2};
  Axes padding = {0, 0, 0, 0};
  static constexpr auto fields() {
    return std::tuple{
        field("input", &PoolGradAttrs::input), field("kernel", &PoolGradAttrs::kernel),
        field("stride", &PoolGradAttrs::stride), field("padding", &PoolGradAttrs::padding)};
  }
};

/// Values of `v` at each window's largest element of `x` (the first one; the first NaN wins).
/// Padding never wins; a window of padding alone is an error at inference.
struct PoolPick : Opaque<2> {
  using Attrs = PoolAttrs;
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "pool_pick",
                               .doc = "values at the largest element of every window",
                               .types = kFloats,
                               .onnx = kNoOnnx("a gradient; inference graphs use max_pool2d"),
                               .operands = "x v"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

/// The transpose of pool_pick: every window's g is added at its largest element of x.
struct PoolScatter : Opaque<2> {
  using Attrs = PoolAttrs;
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "pool_scatter",
                               .doc = "gradient of max_pool2d: g at every window's largest element",
                               .types = kFloats,
                               .onnx = kNoOnnx("a gradient; inference graphs do not contain it"),
                               .operands = "x g"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

/// The largest element of every window.
struct MaxPool2d : Composite<1> {
  using Attrs = PoolAttrs;
  static constexpr OpInfo info{.name = "max_pool2d",
                               .doc = "largest element of every 2-d window",
                               .types = kFloats,
                               .onnx = kOwnOnnx(8)};
  static Vars body(const Call& c) { return {op<PoolPick>(c.as<Attrs>(), c.in(0), c.in(0))}; }
  static Grads vjp(const Call& c) { return {op<PoolScatter>(c.as<Attrs>(), c.in(0), c.grad())}; }
  static void to_onnx(OnnxWriter& w);
};

/// The average of every window, padding not counted.
struct AvgPool2d : Opaque<1> {
  using Attrs = PoolAttrs;
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "avg_pool2d",
                               .doc = "average of every 2-d window, padding not counted",
                               .types = kFloats,
                               .onnx = kOwnOnnx(7)};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// The transpose of avg_pool2d.
struct AvgPool2dGrad : Opaque<1> {
  using Attrs = PoolGradAttrs;
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "avg_pool2d_grad",
                               .doc = "gradient of avg_pool2d",
                               .types = kFloats,
                               .onnx = kNoOnnx("a gradient; inference graphs do not contain it"),
                               .operands = "g"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

using PoolOps = OpList<AvgPool2d, AvgPool2dGrad, MaxPool2d, PoolPick, PoolScatter>;

}  // namespace etch::ir
