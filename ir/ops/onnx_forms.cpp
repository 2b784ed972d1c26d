// The operators whose ONNX form is not one node with the same attributes.
#include "ir/onnx_writer.h"
#include "ir/ops/nn.h"

namespace etch::ir {
namespace {

bool exact_in_f32(double v) { return static_cast<double>(static_cast<float>(v)) == v; }

/// Whether `v`, which ONNX stores as f32, is also what the operator computes with.
bool attribute_holds(const OnnxWriter& w, double v) {
  return w.in_type(0).dtype == DType::F32 || exact_in_f32(v);
}

Axes reduced_axes(const OnnxWriter& w) {
  return normalize_axes(w.op().name(), w.as<ReduceAttrs>().axes, w.in_type(0).rank());
}

void write_reduction(OnnxWriter& w, std::string_view onnx_op) {
  Axes axes = reduced_axes(w);
  if (axes.empty()) return w.alias(0, w.in(0));  // rank 0
  w.reduce(onnx_op, w.in(0), axes, w.as<ReduceAttrs>().keepdims, w.out());
}

/// ONNX takes one axis: several become one by moving them to the end.
void write_arg_reduction(OnnxWriter& w, std::string_view onnx_op) {
  const auto& a = w.as<ReduceAttrs>();
  TensorType x = w.in_type(0);
  Axes axes = reduced_axes(w);
  if (axes.empty()) return w.alias(0, w.constant_i64(0));
  if (axes.size() == 1) {
    return w.result(onnx_op, {w.in(0)}, {{"axis", axes[0]}, {"keepdims", int64_t{a.keepdims}}});
  }
  Axes order;
  Shape flat;
  Dim count(1);
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) != axes.end()) continue;
    order.push_back(i);
    flat.push_back(x.shape[static_cast<size_t>(i)]);
  }
  for (int64_t i : axes) {
    order.push_back(i);
    count = count * x.shape[static_cast<size_t>(i)];
  }
  flat.push_back(count);
  std::string rows = w.reshape(w.node("Transpose", {w.in(0)}, {{"perm", order}}), flat);
  int64_t last = static_cast<int64_t>(flat.size()) - 1;
  std::string index = w.node(onnx_op, {rows}, {{"axis", last}, {"keepdims", int64_t{0}}});
  w.reshape(index, w.out_type().shape, w.out());
}

int64_t axis_of(const OnnxWriter& w, int64_t axis) {
  return normalize_axis(w.op().name(), axis, w.in_type(0).rank());
}

}  // namespace

// Elementwise.

void Trunc::to_onnx(OnnxWriter& w) {
  std::string x = w.in(0);
  std::string negative = w.node("Less", {x, w.constant(w.in_type(0).dtype, 0)});
  w.where(negative, w.node("Ceil", {x}), w.node("Floor", {x}), w.out());
}

void Ne::to_onnx(OnnxWriter& w) { w.result("Not", {w.node("Equal", {w.in(0), w.in(1)})}); }

void LeakyRelu::to_onnx(OnnxWriter& w) {
  double slope = w.as<Attrs>().slope;
  if (attribute_holds(w, slope)) return w.result("LeakyRelu", {w.in(0)}, {{"alpha", slope}});
  DType t = w.in_type(0).dtype;
  std::string x = w.in(0);
  std::string below = w.node("Mul", {x, w.constant(t, slope)});
  w.where(w.node("Less", {x, w.constant(t, 0)}), below, x, w.out());
}

void Elu::to_onnx(OnnxWriter& w) {
  double alpha = w.as<Attrs>().alpha;
  if (attribute_holds(w, alpha)) return w.result("Elu", {w.in(0)}, {{"alpha", alpha}});
  DType t = w.in_type(0).dtype;
  std::string x = w.in(0), plain = w.node("Elu", {x});
  std::string below = w.node("Mul", {plain, w.constant(t, alpha)});
  w.where(w.node("Less", {x, w.constant(t, 0)}), below, x, w.out());
}

void Clamp::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  DType t = w.in_type(0).dtype;
  std::string low = w.constant(t, a.low), high = w.constant(t, a.high);
  if (w.opset() >= 11) return w.result("Clip", {w.in(0), low, high});
  if (t == DType::F32) return w.result("Clip", {w.in(0)}, {{"max", a.high}, {"min", a.low}});
  w.require_opset(8, "Max broadcasts");
  w.result("Min", {w.node("Max", {w.in(0), low}), high});
}

// Reductions.

void Sum::to_onnx(OnnxWriter& w) { write_reduction(w, "ReduceSum"); }
void Prod::to_onnx(OnnxWriter& w) { write_reduction(w, "ReduceProd"); }
void ReduceMax::to_onnx(OnnxWriter& w) { write_reduction(w, "ReduceMax"); }
void ReduceMin::to_onnx(OnnxWriter& w) { write_reduction(w, "ReduceMin"); }
void Mean::to_onnx(OnnxWriter& w) { write_reduction(w, "ReduceMean"); }
void ArgMax::to_onnx(OnnxWriter& w) { write_arg_reduction(w, "ArgMax"); }
void ArgMin::to_onnx(OnnxWriter& w) { write_arg_reduction(w, "ArgMin"); }

// Views.

void Reshape::to_onnx(OnnxWriter& w) { w.reshape(w.in(0), w.out_type().shape, w.out()); }
void Expand::to_onnx(OnnxWriter& w) { w.expand(w.in(0), w.out_type().shape, w.out()); }

void Permute::to_onnx(OnnxWriter& w) {
  Axes perm;
  for (int64_t a : w.as<Attrs>().axes) perm.push_back(axis_of(w, a));
  if (perm.empty()) return w.alias(0, w.in(0));
  w.result("Transpose", {w.in(0)}, {{"perm", perm}});
}

void Slice::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  w.slice(w.in(0), axis_of(w, a.axis), a.range[0], a.range[1], a.step, w.out());
}

void Squeeze::to_onnx(OnnxWriter& w) {
  Axes axes = w.as<Attrs>().axes;
  TensorType x = w.in_type(0);
  for (int64_t& a : axes) a = axis_of(w, a);
  if (axes.empty()) {
    for (int i = 0; i < x.rank(); ++i) {
      if (x.shape[static_cast<size_t>(i)].is(1)) axes.push_back(i);
    }
  }
  if (axes.empty()) return w.alias(0, w.in(0));
  std::sort(axes.begin(), axes.end());
  w.squeeze(w.in(0), axes, w.out());
}

void Unsqueeze::to_onnx(OnnxWriter& w) {
  const Axes& axes = w.as<Attrs>().axes;
  w.unsqueeze(w.in(0), normalize_axes("unsqueeze", axes, w.out_type().rank()), w.out());
}

// Creation.

void Full::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  if (a.shape.empty()) return w.alias(0, w.constant(a.value));
  w.result("ConstantOfShape", {w.shape_of(a.shape)}, {{"value", a.value}});
}

void Arange::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  if (a.step == 0) return w.unsupported("Range needs a step other than 0");
  if (!w.require_opset(11, "Range is an ONNX operator")) return;
  std::string limit = w.dim(a.size[0] * a.step + a.start);
  OnnxNames inputs = {w.constant_i64(a.start), limit, w.constant_i64(a.step)};
  if (a.dtype == DType::I64) return w.result("Range", inputs);
  w.cast(w.node("Range", inputs), a.dtype, w.out());
}

void DimValue::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  if (a.dtype == DType::I64) return w.alias(0, w.dim(a.dim[0]));
  w.cast(w.dim(a.dim[0]), a.dtype, w.out());
}

// Joining and padding.

void Concat::to_onnx(OnnxWriter& w) {
  OnnxNames inputs;
  for (int i = 0; i < w.count(); ++i) inputs.push_back(w.in(i));
  w.result("Concat", inputs, {{"axis", axis_of(w, w.as<Attrs>().axis)}});
}

void Pad::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  if (a.low.empty()) return w.alias(0, w.in(0));
  Shape both = a.low;
  for (Dim d : a.high) both.push_back(d);
  DType t = w.in_type(0).dtype;
  if (w.opset() >= 11) {
    return w.result("Pad", {w.in(0), w.shape_of(both), w.constant(t, a.value)},
                    {{"mode", "constant"}});
  }
  if (!is_static(both)) {
    w.require_opset(11, "Pad by a size that is only known at run time");
    return w.alias(0, w.in(0));
  }
  Axes pads = shape_eval(both, {});
  if (!attribute_holds(w, a.value)) {
    w.require_opset(11, "Pad with a value that f32 cannot hold");
  }
  w.result("Pad", {w.in(0)}, {{"mode", "constant"}, {"pads", pads}, {"value", a.value}});
}

// Layers.

void Conv2d::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  OnnxAttrs attrs = {{"dilations", a.dilation}, {"group", a.groups}};
  Shape weight = w.in_type(1).shape;
  if (weight[2].is_const() && weight[3].is_const()) {
    attrs.push_back({"kernel_shape", Axes{weight[2].value(), weight[3].value()}});
  }
  attrs.push_back({"pads", a.padding});
  attrs.push_back({"strides", a.stride});
  w.result("Conv", {w.in(0), w.in(1)}, attrs);
}

void LayerNorm::to_onnx(OnnxWriter& w) {
  const auto& a = w.as<Attrs>();
  // LayerNormalization computes its statistics in f32.
  if (w.in_type(0).dtype != DType::F32 || !w.prefer_opset(17)) return w.inline_body();
  w.result("LayerNormalization", {w.in(0), w.in(1), w.in(2)},
           {{"axis", -a.axes}, {"epsilon", a.eps}});
}

void BatchNorm::to_onnx(OnnxWriter& w) {
  double eps = w.as<Attrs>().eps;
  if (!attribute_holds(w, eps)) return w.inline_body();
  w.result("BatchNormalization", {w.in(0), w.in(3), w.in(4), w.in(1), w.in(2)}, {{"epsilon", eps}});
}

}  // namespace etch::ir
