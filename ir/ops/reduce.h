// Reductions over axes, in the canonical order of ir/loop/kernel.h.
#pragma once

#include "ir/ops/create.h"
#include "ir/ops/view.h"

namespace etch::ir {

/// g of a reduction's shape, with the reduced axes of x back as size 1.
Var restore_axes(const Var& g, const Shape& x, const ReduceAttrs& a, std::string_view op);
/// The number of reduced elements as a scalar of x's dtype.
Var reduced_count(const Var& x, const ReduceAttrs& a, std::string_view op);

struct Sum : Reduction<ReduceKind::Sum> {
  static constexpr OpInfo info{.name = "sum",
                               .doc = "sum over axes; integers and bool sum as i64",
                               .types = kFloats | bit(DType::I64),
                               .onnx = kOwnOnnx(1)};
  static Grads vjp(const Call& c) {
    Shape x = c.in(0).shape();
    return {op<Expand>({x}, restore_axes(c.grad(), x, c.as<Attrs>(), "sum"))};
  }
  static void to_onnx(OnnxWriter& w);
};

struct Prod : Reduction<ReduceKind::Prod> {
  static constexpr OpInfo info{.name = "prod",
                               .doc = "product over axes; integers and bool as i64",
                               .types = kFloats | bit(DType::I64),
                               .onnx = kOwnOnnx(1)};
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

struct ReduceMax : Reduction<ReduceKind::Max> {
  static constexpr OpInfo info{.name = "amax",
                               .doc = "largest element over axes; NaN if any is NaN",
                               .types = kNumeric,
                               .onnx = kOwnOnnx(1)};
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

struct ReduceMin : Reduction<ReduceKind::Min> {
  static constexpr OpInfo info{.name = "amin",
                               .doc = "smallest element over axes; NaN if any is NaN",
                               .types = kNumeric,
                               .onnx = kOwnOnnx(1)};
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

struct ArgMax : Reduction<ReduceKind::ArgMax> {
  static constexpr ResultType result = ResultType::Index;
  static constexpr OpInfo info{.name = "argmax",
                               .doc = "index of the first largest element; the first NaN wins",
                               .types = kNumeric,
                               .onnx = kOwnOnnx(1)};
  static constexpr NoGradient vjp{"the result is an index"};
  static void to_onnx(OnnxWriter& w);
};

struct ArgMin : Reduction<ReduceKind::ArgMin> {
  static constexpr ResultType result = ResultType::Index;
  static constexpr OpInfo info{.name = "argmin",
                               .doc = "index of the first smallest element; the first NaN wins",
                               .types = kNumeric,
                               .onnx = kOwnOnnx(1)};
  static constexpr NoGradient vjp{"the result is an index"};
  static void to_onnx(OnnxWriter& w);
};

/// sum / count; integers average as f32.
struct Mean : Composite<1> {
  using Attrs = ReduceAttrs;
  static constexpr OpInfo info{
      .name = "mean", .doc = "average over axes", .types = kFloats, .onnx = kOwnOnnx(1)};
  static Vars body(const Call& c) {
    const auto& a = c.as<Attrs>();
    return {op<Sum>(a, c.in(0)) / reduced_count(c.in(0), a, "mean")};
  }
  static void to_onnx(OnnxWriter& w);
};

/// Population variance (correction 0) in two passes.
struct Variance : Composite<1> {
  using Attrs = ReduceAttrs;
  static constexpr OpInfo info{.name = "var",
                               .doc = "mean of squared deviations over axes (no correction)",
                               .types = kFloats,
                               .onnx = kViaBody};
  static Vars body(const Call& c) {
    const auto& a = c.as<Attrs>();
    Var d = c.in(0) - op<Mean>({a.axes, true}, c.in(0));
    return {op<Mean>(a, d * d)};
  }
};

using ReduceOps = OpList<ArgMax, ArgMin, Mean, Prod, ReduceMax, ReduceMin, Sum, Variance>;

}  // namespace etch::ir
