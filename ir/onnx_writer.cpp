#include "ir/onnx_writer.h"

#include <algorithm>

namespace etch::ir {
namespace {

std::span<const std::byte> bytes_of(const void* data, size_t bytes) {
  return {static_cast<const std::byte*>(data), bytes};
}

}  // namespace

std::string OnnxWriter::constant_i64s(std::span<const int64_t> values) {
  const int64_t size = static_cast<int64_t>(values.size());
  return constant_bytes(DType::I64, {&size, 1}, bytes_of(values.data(), values.size_bytes()));
}

std::string OnnxWriter::constant_i64(int64_t value) {
  return constant_bytes(DType::I64, {}, bytes_of(&value, sizeof value));
}

std::string OnnxWriter::constant(Number value) {
  return constant_bytes(value.dtype, {}, bytes_of(&value.bits, itemsize(value.dtype)));
}

std::string OnnxWriter::put(std::string_view onnx_op, const OnnxNames& inputs,
                            const OnnxAttrs& attrs, const std::string& out) {
  std::string name = out.empty() ? fresh(onnx_op) : out;
  node_to(onnx_op, inputs, {name}, attrs);
  return name;
}

std::string OnnxWriter::with_axes(std::string_view onnx_op, const std::string& x, const Axes& axes,
                                  int input_since, OnnxAttrs attrs, const std::string& out) {
  OnnxNames inputs = {x};
  if (!axes.empty() && opset() >= input_since) inputs.push_back(constant_i64s(axes));
  if (!axes.empty() && opset() < input_since) attrs.push_back({"axes", axes});
  return put(onnx_op, inputs, attrs, out);
}

std::string OnnxWriter::reduce(std::string_view onnx_op, const std::string& x, const Axes& axes,
                               bool keepdims, const std::string& out) {
  return with_axes(onnx_op, x, axes, onnx_op == "ReduceSum" ? 13 : 18,
                   {{"keepdims", int64_t{keepdims}}}, out);
}

std::string OnnxWriter::squeeze(const std::string& x, const Axes& axes, const std::string& out) {
  if (axes.empty()) return put("Identity", {x}, {}, out);
  return with_axes("Squeeze", x, axes, 13, {}, out);
}

std::string OnnxWriter::unsqueeze(const std::string& x, const Axes& axes, const std::string& out) {
  if (axes.empty()) return put("Identity", {x}, {}, out);
  return with_axes("Unsqueeze", x, axes, 13, {}, out);
}

std::string OnnxWriter::slice(const std::string& x, int64_t axis, Dim start, Dim stop, int64_t step,
                              const std::string& out) {
  if (opset() < 10 && start.is_const() && stop.is_const() && step == 1) {
    return put(
        "Slice", {x},
        {{"axes", Axes{axis}}, {"starts", Axes{start.value()}}, {"ends", Axes{stop.value()}}}, out);
  }
  require_opset(10, "Slice with a step or with computed bounds");
  return put("Slice",
             {x, shape_of({&start, 1}), shape_of({&stop, 1}), constant_i64s({axis}),
              constant_i64s({step})},
             {}, out);
}

std::string OnnxWriter::reshape(const std::string& x, const Shape& shape, const std::string& out) {
  // A 0 in the shape means "as in the operand" unless allowzero says otherwise.
  bool has_zero = std::any_of(shape.begin(), shape.end(), [](Dim d) { return d.is(0); });
  if (has_zero) require_opset(14, "Reshape to a size of 0 (allowzero)");
  OnnxAttrs attrs;
  if (opset() >= 14 && (has_zero || !is_static(shape))) attrs = {{"allowzero", int64_t{1}}};
  return put("Reshape", {x, shape_of(shape)}, attrs, out);
}

std::string OnnxWriter::expand(const std::string& x, const Shape& shape, const std::string& out) {
  require_opset(8, "Expand is an ONNX operator");
  return put("Expand", {x, shape_of(shape)}, {}, out);
}

std::string OnnxWriter::where(const std::string& c, const std::string& a, const std::string& b,
                              const std::string& out) {
  require_opset(9, "Where is an ONNX operator");
  return put("Where", {c, a, b}, {}, out);
}

}  // namespace etch::ir
