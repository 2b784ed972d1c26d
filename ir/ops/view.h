// Views: the same elements through another window.
#pragma once

#include "ir/ops/elementwise.h"

namespace etch::ir {

struct ShapeAttrs {
  Shape shape;
  static constexpr auto fields() { return std::tuple{field("shape", &ShapeAttrs::shape)}; }
};
struct AxesAttrs {
  Axes axes;
  static constexpr auto fields() { return std::tuple{field("axes", &AxesAttrs::axes)}; }
};

/// The same elements in row-major order under another shape; one size may be -1.
struct Reshape : View {
  using Attrs = ShapeAttrs;
  static constexpr OpInfo info{
      .name = "reshape", .doc = "same elements, another shape", .onnx = kOwnOnnx(5)};
  static void infer(const Infer& c, Types& out);
  static bool view(const Attrs& a, const Shape& sizes, StridedView& v);
  static Grads vjp(const Call& c) { return {op<Reshape>({c.in(0).shape()}, c.grad())}; }
  static void to_onnx(OnnxWriter& w);
};

/// Axes reordered: result axis i is operand axis axes[i].
struct Permute : View {
  using Attrs = AxesAttrs;
  static constexpr OpInfo info{
      .name = "permute", .doc = "result axis i is operand axis axes[i]", .onnx = kOwnOnnx(1)};
  static void infer(const Infer& c, Types& out);
  static bool view(const Attrs& a, const Shape& sizes, StridedView& v);
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// Broadcasts to `shape` (NumPy's broadcast_to).
struct Expand : View {
  using Attrs = ShapeAttrs;
  static constexpr OpInfo info{
      .name = "expand", .doc = "broadcast to a shape", .onnx = kOwnOnnx(8)};
  static void infer(const Infer& c, Types& out);
  static bool view(const Attrs& a, const Shape& sizes, StridedView& v);
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// Elements start, start + step, ... below stop along one axis; 0 <= start <= stop <= size, step >
/// 0.
struct Slice : View {
  struct Attrs {
    int64_t axis = 0;
    Shape range;  // start, stop
    int64_t step = 1;
    static constexpr auto fields() {
      return std::tuple{field("axis", &Attrs::axis), field("range", &Attrs::range),
                        field("step", &Attrs::step)};
    }
  };
  static constexpr OpInfo info{
      .name = "slice", .doc = "a range along one axis", .onnx = kOwnOnnx(10)};
  static void infer(const Infer& c, Types& out);
  static bool view(const Attrs& a, const Shape& sizes, StridedView& v);
  static Grads vjp(const Call& c);
  static void to_onnx(OnnxWriter& w);
};

/// Drops axes of size 1 (all such axes when none is named).
struct Squeeze : View {
  using Attrs = AxesAttrs;
  static constexpr OpInfo info{
      .name = "squeeze", .doc = "without axes of size 1", .onnx = kOwnOnnx(1)};
  static void infer(const Infer& c, Types& out);
  static bool view(const Attrs& a, const Shape& sizes, StridedView& v);
  static Grads vjp(const Call& c) { return {op<Reshape>({c.in(0).shape()}, c.grad())}; }
  static void to_onnx(OnnxWriter& w);
};

/// Inserts axes of size 1; axes count in the result.
struct Unsqueeze : View {
  using Attrs = AxesAttrs;
  static constexpr OpInfo info{
      .name = "unsqueeze", .doc = "with new axes of size 1", .onnx = kOwnOnnx(1)};
  static void infer(const Infer& c, Types& out);
  static bool view(const Attrs& a, const Shape& sizes, StridedView& v);
  static Grads vjp(const Call& c) { return {op<Reshape>({c.in(0).shape()}, c.grad())}; }
  static void to_onnx(OnnxWriter& w);
};

/// The size that a -1 at `unknown` of `want` stands for when a tensor of shape `have` is reshaped.
/// Sizes that occur on both sides cancel first, so that {0, -1} is clear for [0, 6]. Raises
/// UserError when the other sizes do not divide the elements, or are 0.
Dim reshape_size(const Shape& have, const Shape& want, size_t unknown);

/// The same, and the end of gradients: how a graph inside another says what detach() and NoGrad
/// say on the tape.
struct Detach : View {
  using Attrs = NoAttrs;
  static constexpr OpInfo info{.name = "detach",
                               .doc = "the same, cut off from gradients",
                               .onnx = {.op = "Identity", .since = 1},
                               .generate_api = false};
  static constexpr NoGradient vjp{"it ends gradients"};
  static void infer(const Infer& c, Types& out) { out.push_back(c.in[0]); }
  static bool view(const Attrs&, const Shape&, StridedView&) { return true; }
};

using ViewOps = OpList<Detach, Expand, Permute, Reshape, Slice, Squeeze, Unsqueeze>;

}  // namespace etch::ir
