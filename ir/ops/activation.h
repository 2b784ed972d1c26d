// Activation functions.
#pragma once

#include "ir/ops/math.h"

namespace etch::ir {

/// max(x, 0), passing NaN and -0.
struct Relu : Elementwise<1> {
  static constexpr OpInfo info{.name = "relu",
                               .doc = "x below 0 becomes 0",
                               .types = kSignedNumeric,
                               .onnx = {.op = "Relu", .since = 6}};
  static Expr scalar(Expr x) {
    Expr zero = lit_like(x, 0);
    return select(x < zero, zero, x);
  }
  static Grads vjp(const Call& c) {
    Var zero = constant_like(c.grad(), 0);
    return {op<Where>(op<Le>(c.out(), zero), zero, c.grad())};
  }
};

/// Logistic sigmoid, 1 / (1 + exp(-x)).
struct Sigmoid : Elementwise<1> {
  static constexpr OpInfo info{.name = "sigmoid",
                               .doc = "1 / (1 + e^-x)",
                               .types = kFloats,
                               .onnx = {.op = "Sigmoid", .since = 6}};
  static Expr scalar(Expr x) { return 1.0 / (1.0 + exp(-x)); }
  static Grads vjp(const Call& c) {
    Var y = c.out();
    return {c.grad() * y * (1.0 - y)};
  }
};

/// x * sigmoid(x), also called swish.
struct Silu : Composite<1> {
  static constexpr OpInfo info{
      .name = "silu", .doc = "x * sigmoid(x)", .types = kFloats, .onnx = kViaBody};
  static Vars body(const Call& c) { return {c.in(0) * op<Sigmoid>(c.in(0))}; }
};

/// Gaussian error linear unit: x * Phi(x), or its tanh approximation.
struct Gelu : Composite<1> {
  struct Attrs {
    bool tanh = false;
    static constexpr auto fields() { return std::tuple{field("tanh", &Attrs::tanh)}; }
  };
  static constexpr OpInfo info{.name = "gelu",
                               .doc = "x * Phi(x); `tanh` selects the tanh approximation",
                               .types = kFloats,
                               .onnx = kViaBody};
  static Vars body(const Call& c) {
    Var x = c.in(0);
    if (!c.as<Attrs>().tanh) {
      return {x * 0.5 * (op<Erf>(x * 0.70710678118654752440) + 1.0)};
    }
    Var u = (x + x * x * x * 0.044715) * 0.79788456080286535588;
    return {x * 0.5 * (op<Tanh>(u) + 1.0)};
  }
};

struct LeakyRelu : Elementwise<1> {
  struct Attrs {
    double slope = 0.01;
    static constexpr auto fields() { return std::tuple{field("slope", &Attrs::slope)}; }
  };
  static constexpr OpInfo info{.name = "leaky_relu",
                               .doc = "x, or slope * x below 0",
                               .types = kFloats,
                               .onnx = kOwnOnnx(6)};
  static Expr scalar(const Attrs& a, Expr x) { return select(x < 0, x * a.slope, x); }
  static Grads vjp(const Call& c) {
    Var g = c.grad();
    return {op<Where>(op<Lt>(c.in(0), constant_like(g, 0)), g * c.as<Attrs>().slope, g)};
  }
  static void to_onnx(OnnxWriter& w);
};

struct Elu : Elementwise<1> {
  struct Attrs {
    double alpha = 1;
    static constexpr auto fields() { return std::tuple{field("alpha", &Attrs::alpha)}; }
  };
  static constexpr OpInfo info{.name = "elu",
                               .doc = "x, or alpha * (e^x - 1) below 0",
                               .types = kFloats,
                               .onnx = kOwnOnnx(6)};
  static Expr scalar(const Attrs& a, Expr x) { return select(x < 0, expm1(x) * a.alpha, x); }
  static Grads vjp(const Call& c) {
    double alpha = c.as<Attrs>().alpha;
    Var x = c.in(0), g = c.grad();
    return {op<Where>(op<Lt>(x, constant_like(x, 0)), g * (op<Exp>(x) * alpha), g)};
  }
  static void to_onnx(OnnxWriter& w);
};

/// log(1 + e^x) without overflow.
struct Softplus : Elementwise<1> {
  static constexpr OpInfo info{.name = "softplus",
                               .doc = "log(1 + e^x)",
                               .types = kFloats,
                               .onnx = {.op = "Softplus", .since = 1}};
  static Expr scalar(Expr x) { return max(x, lit_like(x, 0)) + log1p(exp(-abs(x))); }
  static Grads vjp(const Call& c) { return {c.grad() * op<Sigmoid>(c.in(0))}; }
};

/// Values limited to [low, high]; NaN passes.
struct Clamp : Elementwise<1> {
  struct Attrs {
    double low = 0, high = 1;
    static constexpr auto fields() {
      return std::tuple{field("low", &Attrs::low), field("high", &Attrs::high)};
    }
  };
  static constexpr OpInfo info{
      .name = "clamp", .doc = "x limited to [low, high]", .types = kNumeric, .onnx = kOwnOnnx(11)};
  static Expr scalar(const Attrs& a, Expr x) {
    return min(max(x, lit_like(x, a.low)), lit_like(x, a.high));
  }
  static Grads vjp(const Call& c) {
    Var x = c.in(0), g = c.grad();
    Var inside = op<LogicalAnd>(op<Ge>(x, constant_like(x, c.as<Attrs>().low)),
                                op<Le>(x, constant_like(x, c.as<Attrs>().high)));
    return {op<Where>(inside, g, constant_like(g, 0))};
  }
  static void to_onnx(OnnxWriter& w);
};

struct HardSigmoid : Composite<1> {
  static constexpr OpInfo info{.name = "hard_sigmoid",
                               .doc = "clamp(x / 6 + 0.5, 0, 1)",
                               .types = kFloats,
                               .onnx = kViaBody};
  static Vars body(const Call& c) {
    return {op<Clamp>({0.0, 1.0}, c.in(0) * 0.16666666666666666667 + 0.5)};
  }
};

struct HardSwish : Composite<1> {
  static constexpr OpInfo info{
      .name = "hard_swish", .doc = "x * hard_sigmoid(x)", .types = kFloats, .onnx = kViaBody};
  static Vars body(const Call& c) { return {c.in(0) * op<HardSigmoid>(c.in(0))}; }
};

struct Mish : Composite<1> {
  static constexpr OpInfo info{
      .name = "mish", .doc = "x * tanh(softplus(x))", .types = kFloats, .onnx = kViaBody};
  static Vars body(const Call& c) { return {c.in(0) * op<Tanh>(op<Softplus>(c.in(0)))}; }
};

using ActivationOps = OpList<Clamp, Elu, Gelu, HardSigmoid, HardSwish, LeakyRelu, Mish, Relu,
                             Sigmoid, Silu, Softplus>;

}  // namespace etch::ir
