// How an operator whose ONNX form is not one node with the same attributes writes itself. The
// exporter implements OnnxWriter; nothing here knows protobuf.
//
//   void Expand::to_onnx(OnnxWriter& w) { w.expand(w.in(0), w.as<Attrs>().shape, w.out()); }
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/attrs.h"
#include "ir/op.h"

namespace etch::ir {

struct Constant;

/// One attribute of an ONNX node. Doubles are stored as ONNX's f32; a DType becomes ONNX's number
/// for that type; a Number becomes a tensor of one element.
struct OnnxAttr {
  using Value =
      std::variant<int64_t, double, std::string, Axes, std::vector<double>, DType, Number>;
  std::string name;
  Value value;
};
using OnnxAttrs = std::vector<OnnxAttr>;

/// Names of ONNX values; "" leaves an optional input out.
using OnnxNames = std::vector<std::string>;

/// One operator's view of the ONNX graph being written. An operator writes each of its results once
/// (a node whose output is out(i), or alias()), or calls inline_body() or unsupported().
///
/// Operands of a dtype that the ONNX operator lacks at this opset are cast to a wider one and the
/// result back, where that changes no value; operators need not care.
class OnnxWriter {
 public:
  virtual ~OnnxWriter() = default;

  /// The opset being written, 7 or above.
  virtual int opset() const = 0;
  /// False, and recorded as a need of opset `n`, when the opset is below; `why` reads
  /// "Trilu is an ONNX operator". What the operator writes after a false answer is thrown away.
  virtual bool require_opset(int n, std::string_view why) = 0;
  /// Whether the opset is at least `n`; an export that may choose its opset then chooses such a
  /// one.
  virtual bool prefer_opset(int n) = 0;
  /// Records a blocker with the user's source line. The export fails; the operator may return.
  virtual void unsupported(std::string_view reason) = 0;

  virtual const OpDef& op() const = 0;
  virtual const void* attrs() const = 0;
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs());
  }

  /// Operands; types as inferred by the operator.
  virtual int count() const = 0;
  virtual int results() const = 0;
  virtual TensorType in_type(int i) const = 0;
  virtual TensorType out_type(int i = 0) const = 0;
  /// The ONNX value of operand i.
  virtual std::string in(int i) = 0;
  /// The contents of operand i when it is a constant, else null.
  virtual const Constant* constant_in(int i) const = 0;
  /// The ONNX value that result i must become.
  virtual std::string out(int i = 0) = 0;

  /// Adds a node whose results get the given names ("" for one that is not wanted).
  virtual void node_to(std::string_view onnx_op, const OnnxNames& inputs, const OnnxNames& outputs,
                       const OnnxAttrs& attrs = {}) = 0;
  /// A name that no value has yet; `hint` is an ONNX operator.
  virtual std::string fresh(std::string_view hint) = 0;
  /// Result i is the value `name` itself.
  virtual void alias(int i, const std::string& name) = 0;
  /// Writes the composite's body instead of a node of its own.
  virtual void inline_body() = 0;

  /// Adds a node and returns its fresh result name.
  std::string node(std::string_view onnx_op, const OnnxNames& inputs, const OnnxAttrs& attrs = {}) {
    return put(onnx_op, inputs, attrs, "");
  }
  /// Adds the node that computes result 0.
  void result(std::string_view onnx_op, const OnnxNames& inputs, const OnnxAttrs& attrs = {}) {
    node_to(onnx_op, inputs, {out(0)}, attrs);
  }

  // Initialisers; equal contents are stored once.
  virtual std::string constant_bytes(DType dtype, std::span<const int64_t> sizes,
                                     std::span<const std::byte> bytes) = 0;
  /// i64[n].
  std::string constant_i64s(std::span<const int64_t> values);
  std::string constant_i64s(std::initializer_list<int64_t> values) {
    return constant_i64s(std::span<const int64_t>(values.begin(), values.size()));
  }
  /// i64[].
  std::string constant_i64(int64_t value);
  /// Rank 0.
  std::string constant(Number value);
  std::string constant(DType dtype, double value) { return constant(make_number(dtype, value)); }

  // Sizes; symbolic ones are computed at run time from the graph inputs' shapes, never baked in.
  /// i64[dims.size()].
  virtual std::string shape_of(std::span<const Dim> dims) = 0;
  std::string shape_of(const Shape& dims) { return shape_of(std::span<const Dim>(dims)); }
  /// i64[].
  virtual std::string dim(Dim d) = 0;

  // Nodes whose form changed between opsets. Axes are not negative. `out` empty: a fresh name.
  /// "ReduceSum", "ReduceMax", ...; empty axes: all.
  std::string reduce(std::string_view onnx_op, const std::string& x, const Axes& axes,
                     bool keepdims, const std::string& out = "");
  std::string squeeze(const std::string& x, const Axes& axes, const std::string& out = "");
  std::string unsqueeze(const std::string& x, const Axes& axes, const std::string& out = "");
  /// The elements start, start + step, ... below stop along one axis.
  std::string slice(const std::string& x, int64_t axis, Dim start, Dim stop, int64_t step,
                    const std::string& out = "");
  std::string reshape(const std::string& x, const Shape& shape, const std::string& out = "");
  std::string expand(const std::string& x, const Shape& shape, const std::string& out = "");
  std::string cast(const std::string& x, DType to, const std::string& out = "") {
    return put("Cast", {x}, {{"to", to}}, out);
  }
  /// c ? a : b, on bool c.
  std::string where(const std::string& c, const std::string& a, const std::string& b,
                    const std::string& out = "");

 private:
  std::string put(std::string_view onnx_op, const OnnxNames& inputs, const OnnxAttrs& attrs,
                  const std::string& out);
  std::string with_axes(std::string_view onnx_op, const std::string& x, const Axes& axes,
                        int input_since, OnnxAttrs attrs, const std::string& out);
};

}  // namespace etch::ir
