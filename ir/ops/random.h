// Random numbers as pure functions of (seed, stream ordinal, element index): Philox4x32-10.
#pragma once

#include "ir/ops/create.h"
#include "ir/ops/math.h"
#include "ir/ops/view.h"

namespace etch::ir {

struct DTypeAttrs {
  DType dtype = DType::F32;
  static constexpr auto fields() { return std::tuple{field("dtype", &DTypeAttrs::dtype)}; }
};

/// The uniform number in [0, 1) of element `index` of stream `ordinal` under `seed` (all u64): the
/// top 24 bits of a word (f32), or the top 53 of two (f64).
struct UniformAt : Elementwise<3> {
  using Attrs = DTypeAttrs;
  static constexpr ResultType result = ResultType::Attr;
  static constexpr OpInfo info{.name = "uniform_at",
                               .doc = "uniform in [0, 1) from (seed, ordinal, index)",
                               .types = bit(DType::U64),
                               .onnx = kNoOnnx("ONNX has no counter-based random numbers"),
                               .operands = "seed ordinal index"};
  static constexpr NoGradient vjp{"random numbers have no derivative"};
  static Expr scalar(const Attrs& a, Expr seed, Expr ordinal, Expr i) {
    if (a.dtype == DType::F64) return uniform_f64(philox64(seed, ordinal, i));
    return uniform_f32(philox(seed, ordinal, i));
  }
};

/// The standard normal number of element `index`: Box-Muller on the uniforms of its even-odd pair,
/// cosine for even and sine for odd indices.
struct NormalAt : Elementwise<3> {
  using Attrs = DTypeAttrs;
  static constexpr ResultType result = ResultType::Attr;
  static constexpr OpInfo info{.name = "normal_at",
                               .doc = "standard normal from (seed, ordinal, index)",
                               .types = bit(DType::U64),
                               .onnx = kNoOnnx("ONNX has no counter-based random numbers"),
                               .operands = "seed ordinal index"};
  static constexpr NoGradient vjp{"random numbers have no derivative"};
  static Expr scalar(const Attrs& a, Expr seed, Expr ordinal, Expr i) {
    Expr odd = i & 1, even = i - odd;
    Expr u1 = UniformAt::scalar(a, seed, ordinal, even);
    Expr u2 = UniformAt::scalar(a, seed, ordinal, even + 1);
    Expr radius = sqrt(log(1.0 - u1) * -2.0), angle = u2 * 6.28318530717958647692;
    return radius * select(odd == 0, cos(angle), sin(angle));
  }
};

struct DrawAttrs {
  Shape shape;
  DType dtype = DType::F32;
  static constexpr auto fields() {
    return std::tuple{field("shape", &DrawAttrs::shape), field("dtype", &DrawAttrs::dtype)};
  }
};

/// One number per element of `shape` from a generator's state u64[2] (seed, ordinal).
template <class At>
Vars draw_body(const Call& c) {
  const auto& a = c.as<DrawAttrs>();
  Var state = c.in(0);
  auto entry = [&](int64_t i) {
    return op<Reshape>({{}}, op<Slice>({0, {Dim(i), Dim(i + 1)}, 1}, state));
  };
  Var index = op_beside<Arange>(state, {{shape_numel(a.shape)}, 0, 1, DType::U64});
  return {op<At>({a.dtype}, entry(0), entry(1), op<Reshape>({a.shape}, index))};
}

struct RandomUniform : Composite<1> {
  using Attrs = DrawAttrs;
  static constexpr OpInfo info{.name = "random_uniform",
                               .doc = "uniform in [0, 1) from a generator's state",
                               .types = bit(DType::U64),
                               .onnx = kNoOnnx("ONNX has no counter-based random numbers"),
                               .operands = "state"};
  static constexpr NoGradient vjp{"random numbers have no derivative"};
  static Vars body(const Call& c) { return draw_body<UniformAt>(c); }
};

struct RandomNormal : Composite<1> {
  using Attrs = DrawAttrs;
  static constexpr OpInfo info{.name = "random_normal",
                               .doc = "standard normal from a generator's state",
                               .types = bit(DType::U64),
                               .onnx = kNoOnnx("ONNX has no counter-based random numbers"),
                               .operands = "state"};
  static constexpr NoGradient vjp{"random numbers have no derivative"};
  static Vars body(const Call& c) { return draw_body<NormalAt>(c); }
};

using RandomOps = OpList<NormalAt, RandomNormal, RandomUniform, UniformAt>;

}  // namespace etch::ir
