// Values made from nothing: constants, ranges, sizes.
#pragma once

#include "ir/ops/elementwise.h"

namespace etch::ir {

/// Every element the same number.
struct Full : Opaque<0> {
  struct Attrs {
    Shape shape;
    Number value;
    static constexpr auto fields() {
      return std::tuple{field("shape", &Attrs::shape), field("value", &Attrs::value)};
    }
  };
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "full",
                               .doc = "a tensor of one repeated value",
                               .onnx = kOwnOnnx(9),
                               .generate_api = false};
  static constexpr NoGradient vjp{"it has no operands"};
  static void infer(const Infer& c, Types& out) {
    const auto& a = c.as<Attrs>();
    out.push_back({a.value.dtype, a.shape});
  }
  static void kernel(const KernelCall& c);
  static void to_onnx(OnnxWriter& w);
};

/// start, start + step, ... along one axis of the given size.
struct Arange : Opaque<0> {
  struct Attrs {
    Shape size;  // one entry
    int64_t start = 0, step = 1;
    DType dtype = DType::I64;
    static constexpr auto fields() {
      return std::tuple{field("size", &Attrs::size), field("start", &Attrs::start),
                        field("step", &Attrs::step), field("dtype", &Attrs::dtype)};
    }
  };
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "arange",
                               .doc = "start + step * i for i below size",
                               .onnx = kOwnOnnx(11),
                               .generate_api = false};
  static constexpr NoGradient vjp{"it has no operands"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static void to_onnx(OnnxWriter& w);
};

/// A size as a rank-0 value: how symbolic sizes enter arithmetic.
struct DimValue : Opaque<0> {
  struct Attrs {
    Shape dim;  // one entry
    DType dtype = DType::I64;
    static constexpr auto fields() {
      return std::tuple{field("dim", &Attrs::dim), field("dtype", &Attrs::dtype)};
    }
  };
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "dim_value",
                               .doc = "a size as a number",
                               .onnx = kOwnOnnx(11),
                               .generate_api = false};
  static constexpr NoGradient vjp{"it has no operands"};
  static void infer(const Infer& c, Types& out) { out.push_back({c.as<Attrs>().dtype, {}}); }
  static void kernel(const KernelCall& c);
  static void to_onnx(OnnxWriter& w);
};

using CreateOps = OpList<Arange, DimValue, Full>;

}  // namespace etch::ir
