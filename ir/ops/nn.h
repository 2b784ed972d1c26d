// Layers and losses as compositions of other operators; gradients follow from the bodies.
#pragma once

#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "ir/ops/index.h"
#include "ir/ops/reduce.h"

namespace etch::ir {

/// exp(x - max) / sum along an axis.
struct Softmax : Composite<1> {
  using Attrs = AxisAttrs;
  static constexpr OpInfo info{.name = "softmax",
                               .doc = "exponentials along an axis, scaled to sum to 1",
                               .types = kFloats,
                               .onnx = {.op = "Softmax", .since = 13}};
  static Vars body(const Call& c) {
    ReduceAttrs along{{c.as<Attrs>().axis}, true};
    Var e = op<Exp>(c.in(0) - op<ReduceMax>(along, c.in(0)));
    return {e / op<Sum>(along, e)};
  }
  static Grads vjp(const Call& c) {
    Var y = c.out(), gy = c.grad() * y;
    return {gy - y * op<Sum>({{c.as<Attrs>().axis}, true}, gy)};
  }
};

/// x - max - log(sum(exp(x - max))) along an axis.
struct LogSoftmax : Composite<1> {
  using Attrs = AxisAttrs;
  static constexpr OpInfo info{.name = "log_softmax",
                               .doc = "logarithm of softmax along an axis",
                               .types = kFloats,
                               .onnx = {.op = "LogSoftmax", .since = 13}};
  static Vars body(const Call& c) {
    ReduceAttrs along{{c.as<Attrs>().axis}, true};
    Var d = c.in(0) - op<ReduceMax>(along, c.in(0));
    return {d - op<Log>(op<Sum>(along, op<Exp>(d)))};
  }
  static Grads vjp(const Call& c) {
    Var g = c.grad();
    return {g - op<Exp>(c.out()) * op<Sum>({{c.as<Attrs>().axis}, true}, g)};
  }
};

/// Mean over rows of -log_softmax(logits)[target]; logits [N, C], targets integer [N].
struct CrossEntropy : Composite<2> {
  static constexpr int typed_to = 1;
  static constexpr OpInfo info{.name = "cross_entropy",
                               .doc = "mean of -log_softmax(logits)[target] over rows",
                               .types = kFloats,
                               .onnx = kViaBody,
                               .operands = "logits targets"};
  static void infer(const Infer& c, Types& out);
  static Vars body(const Call& c);
};

/// (x - mean) / sqrt(var + eps) over the last `axes` axes, times weight plus bias.
struct LayerNorm : Composite<3> {
  struct Attrs {
    int64_t axes = 1;  // how many trailing axes
    double eps = 1e-5;
    static constexpr auto fields() {
      return std::tuple{field("axes", &Attrs::axes), field("eps", &Attrs::eps)};
    }
  };
  static constexpr OpInfo info{.name = "layer_norm",
                               .doc = "normalised over trailing axes, then times weight plus bias",
                               .types = kFloats,
                               .onnx = kOwnOnnx(17),
                               .operands = "x weight bias"};
  static Vars body(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// Normalisation by given statistics: (x - mean) / sqrt(var + eps) * weight + bias, per channel
/// (axis 1). Operands x, mean, var, weight, bias.
struct BatchNorm : Composite<5> {
  struct Attrs {
    double eps = 1e-5;
    static constexpr auto fields() { return std::tuple{field("eps", &Attrs::eps)}; }
  };
  static constexpr OpInfo info{.name = "batch_norm",
                               .doc = "per-channel normalisation by given mean and variance",
                               .types = kFloats,
                               .onnx = kOwnOnnx(9),
                               .operands = "x mean var weight bias"};
  static Vars body(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

using NnOps = OpList<BatchNorm, CrossEntropy, LayerNorm, LogSoftmax, Softmax>;

}  // namespace etch::ir
