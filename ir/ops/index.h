// Joining, padding, looking up and scattering.
#pragma once

#include "ir/ops/create.h"
#include "ir/ops/view.h"

namespace etch::ir {

struct AxisAttrs {
  int64_t axis = 0;
  static constexpr auto fields() { return std::tuple{field("axis", &AxisAttrs::axis)}; }
};

/// Operands joined along one existing axis.
struct Concat : Opaque<1, 4096> {
  using Attrs = AxisAttrs;
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "concat",
                               .doc = "operands joined along an axis",
                               .onnx = kOwnOnnx(4),
                               .operands = "tensors"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// Constant padding: `low` elements before and `high` after, per axis.
struct Pad : Opaque<1> {
  struct Attrs {
    Shape low, high;
    double value = 0;
    static constexpr auto fields() {
      return std::tuple{field("low", &Attrs::low), field("high", &Attrs::high),
                        field("value", &Attrs::value)};
    }
  };
  static constexpr bool total = true;
  static constexpr OpInfo info{
      .name = "pad", .doc = "padded with a constant on every side", .onnx = kOwnOnnx(11)};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// base with the elements that slice(base) names replaced by src: the functional form of a write.
struct SliceScatter : Opaque<2> {
  using Attrs = Slice::Attrs;
  static constexpr bool total = true;
  static constexpr OpInfo info{.name = "slice_scatter",
                               .doc = "base with one range along an axis replaced by src",
                               .onnx = kNoOnnx("a write into a slice; inference graphs use pad"),
                               .operands = "base src"};
  static void infer(const Infer& c, Types& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

/// Rows of x along an axis: the result has indices' shape in place of that axis. Negative indices
/// count from the end; an index outside raises.
struct IndexSelect : Opaque<2> {
  using Attrs = AxisAttrs;
  static constexpr int typed_to = 1;
  static constexpr OpInfo info{.name = "index_select",
                               .doc = "slices of x along an axis, chosen by integer indices",
                               .onnx = {.op = "Gather", .since = 11},
                               .operands = "x indices"};
  static void infer(const Infer& c, Types& out);
  static Dim index_size(const void* attrs, const Shape& x, const Shape& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

/// The transpose of index_select: slices of src added up at their indices, in ascending order.
struct IndexAdd : Opaque<2> {
  struct Attrs {
    int64_t axis = 0;
    Shape size;  // one entry: of the axis in the result
    static constexpr auto fields() {
      return std::tuple{field("axis", &Attrs::axis), field("size", &Attrs::size)};
    }
  };
  static constexpr int typed_to = 1;
  static constexpr OpInfo info{.name = "index_add",
                               .doc = "zeros, with slices of src added at integer indices",
                               .types = kNumeric,
                               .onnx = kNoOnnx("a gradient; inference graphs do not contain it"),
                               .operands = "src indices"};
  static void infer(const Infer& c, Types& out);
  static Dim index_size(const void* attrs, const Shape& x, const Shape& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

/// Element along an axis per position: out[i][j] = x[i][index[i][j]] for axis 1.
struct Gather : Opaque<2> {
  using Attrs = AxisAttrs;
  static constexpr int typed_to = 1;
  static constexpr OpInfo info{.name = "gather",
                               .doc = "elements along an axis, one index per result element",
                               .onnx = {.op = "GatherElements", .since = 11},
                               .operands = "x indices"};
  static void infer(const Infer& c, Types& out);
  static Dim index_size(const void* attrs, const Shape& x, const Shape& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

/// The transpose of gather: src elements added up at their indices, in row-major order.
struct ScatterAdd : Opaque<2> {
  using Attrs = IndexAdd::Attrs;
  static constexpr int typed_to = 1;
  static constexpr OpInfo info{.name = "scatter_add",
                               .doc = "zeros, with elements of src added at integer indices",
                               .types = kNumeric,
                               .onnx = kNoOnnx("a gradient; inference graphs do not contain it"),
                               .operands = "src indices"};
  static void infer(const Infer& c, Types& out);
  static Dim index_size(const void* attrs, const Shape& x, const Shape& out);
  static void kernel(const KernelCall& c);
  static Grads vjp(const Call& c);
};

using IndexOps = OpList<Concat, Gather, IndexAdd, IndexSelect, Pad, ScatterAdd, SliceScatter>;

}  // namespace etch::ir
