// What an operator is. One struct per operator (ir/ops/<family>.h) states its meaning; op_def<T>()
// checks it and erases its type into an OpDef, which is all that the other layers see.
#pragma once

#include <string_view>

#include "ir/attrs.h"
#include "ir/scalar/expr.h"
#include "ir/var.h"

namespace etch::ir {

class OnnxWriter;

enum class OpKind : uint8_t {
  Elementwise,  // a scalar function, broadcast over its operands
  Reduction,    // a canonical reduction over axes
  View,         // another window on the same elements
  Contraction,  // sums of products in canonical order
  Opaque,       // a reference kernel
  Composite,    // a body in other operators
  Control,      // runs graphs, which are its attributes
  Structural,   // input, constant, fusion: made by the graph itself
};

enum class ReduceKind : uint8_t { Sum, Prod, Max, Min, ArgMax, ArgMin };

/// How the result's dtype follows from the operands'.
enum class ResultType : uint8_t { Same, Bool, Index, Attr };

/// Which inputs the registry-driven tests may draw.
enum class Domain : uint8_t { Any, Positive, Unit, AtLeastOne, NonZero, Small, Exponent };

/// How an operator is written in ONNX.
struct OnnxRule {
  std::string_view op = {};      // the ONNX operator of a 1:1 mapping, or ""
  int since = 0;                 // first opset whose operator means the same
  std::string_view reason = {};  // why there is no mapping, or ""
  bool via_body = false;         // export the composite's body instead
};
constexpr OnnxRule kNoOnnx(std::string_view reason) { return {.op = "", .reason = reason}; }
inline constexpr OnnxRule kViaBody{.op = "", .via_body = true};
/// The operator writes itself with to_onnx().
constexpr OnnxRule kOwnOnnx(int since) { return {.op = "", .since = since}; }

struct NoGradient {
  std::string_view reason;
};

/// The row of facts every operator states.
struct OpInfo {
  std::string_view name = {};
  std::string_view doc = {};
  DTypeSet types = kAll;  // of the operands that take part in promotion
  OnnxRule onnx = {};
  bool commutative = false;
  Domain domain = Domain::Any;
  int version = 1;                 // semantic version; printed above 1
  std::string_view operands = {};  // their names in the C++ API, by default x or a b
  bool generate_api = true;        // false: etch/tensor.h declares it by hand
};

/// Operand types and attributes during type inference.
struct Infer {
  const OpDef& op;
  std::span<const TensorType> in;
  const void* attrs;
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
  [[noreturn]] void fail(const std::string& what, std::string_view hint = "") const;
};
using Types = std::vector<TensorType>;

/// Operands, results and result gradients while a body or vjp is being emitted.
class Call {
 public:
  Call(const OpDef& op, const void* attrs, std::span<const Var> in, std::span<const Var> out = {},
       std::span<const Var> grads = {}, uint32_t wants = ~uint32_t{0})
      : op_(op), attrs_(attrs), in_(in), out_(out), grads_(grads), wants_(wants) {}
  const OpDef& op() const { return op_; }
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs_);
  }
  const void* attrs() const { return attrs_; }
  int count() const { return static_cast<int>(in_.size()); }
  Var in(int i) const { return in_[static_cast<size_t>(i)]; }
  bool has(int i) const { return i < count() && static_cast<bool>(in_[static_cast<size_t>(i)]); }
  Var out(int i = 0) const { return out_[static_cast<size_t>(i)]; }
  /// The gradient of result i; zeros never arrive here as empty Vars for single-result operators.
  Var grad(int i = 0) const { return grads_[static_cast<size_t>(i)]; }
  bool has_grad(int i) const { return static_cast<bool>(grads_[static_cast<size_t>(i)]); }
  std::span<const Var> grads() const { return grads_; }
  /// Whether the caller needs the gradient of operand i. From operand 32 on the answer is yes.
  bool wants(int i) const { return i >= 32 || ((wants_ >> i) & 1) != 0; }

 private:
  const OpDef& op_;
  const void* attrs_;
  std::span<const Var> in_, out_, grads_;
  uint32_t wants_;
};
/// One gradient per operand; empty where there is none.
using Grads = Vars;

/// A dense row-major tensor as kernels see it.
struct TensorRef {
  void* data = nullptr;
  DType dtype = DType::F32;
  std::span<const int64_t> sizes;
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int rank() const { return static_cast<int>(sizes.size()); }
  int64_t numel() const {
    int64_t n = 1;
    for (int64_t s : sizes) n *= s;
    return n;
  }
};

/// Operands and results of a reference kernel. Sizes were checked by infer; data-dependent indices
/// are the kernel's to check.
struct KernelCall {
  const OpDef& op;
  std::span<const TensorRef> in;
  std::span<const TensorRef> out;
  const void* attrs;
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
};

/// The type-erased operator. All function pointers that do not apply to the kind are null.
struct OpDef {
  OpInfo info;
  std::string_view type_name;  // of the C++ struct
  OpKind kind = OpKind::Opaque;
  int min_operands = 0;
  int max_operands = 0;
  int results = 1;
  int typed_from = 0;  // operands before this one keep their own dtype (select's condition)
  int typed_to = 32;   // and those from here on (gather's indices)
  ResultType result = ResultType::Same;
  ReduceKind reduce = ReduceKind::Sum;
  bool total = false;  // opaque: the kernel raises for no operand values
  const AttrSchema* schema = nullptr;
  std::string_view no_gradient;  // the reason, when vjp is null

  void (*infer)(const Infer&, Types& out) = nullptr;
  Expr (*scalar)(const void* attrs, std::span<const Expr>) = nullptr;
  bool (*view)(const void* attrs, const Shape& out_sizes, StridedView& v) = nullptr;
  void (*kernel)(const KernelCall&) = nullptr;
  /// The kernel raises only when an element of operand 1 is no index into this many; `x` and `out`
  /// are the shapes of operand 0 and of the result.
  Dim (*index_size)(const void* attrs, const Shape& x, const Shape& out) = nullptr;
  Vars (*body)(const Call&) = nullptr;
  Grads (*vjp)(const Call&) = nullptr;
  void (*to_onnx)(OnnxWriter&) = nullptr;
  std::string_view name() const { return info.name; }
  bool is_elementwise() const { return kind == OpKind::Elementwise; }
  bool is_view() const { return kind == OpKind::View; }
  bool is_control() const { return kind == OpKind::Control; }
};

// Bases. Each fixes the kind and what is derived.

template <int N>
struct Elementwise {
  static constexpr OpKind kind = OpKind::Elementwise;
  static constexpr int operands = N;
  using Attrs = NoAttrs;
};

struct ReduceAttrs {
  Axes axes;  // empty: all
  bool keepdims = false;
  static constexpr auto fields() {
    return std::tuple{field("axes", &ReduceAttrs::axes), field("keepdims", &ReduceAttrs::keepdims)};
  }
};
template <ReduceKind K>
struct Reduction {
  static constexpr OpKind kind = OpKind::Reduction;
  static constexpr int operands = 1;
  static constexpr ReduceKind reduce = K;
  using Attrs = ReduceAttrs;
};

struct View {
  static constexpr OpKind kind = OpKind::View;
  static constexpr int operands = 1;
};
template <int Min, int Max = Min>
struct Contraction {
  static constexpr OpKind kind = OpKind::Contraction;
  static constexpr int operands = Min;
  static constexpr int max_operands = Max;
  using Attrs = NoAttrs;
};
template <int Min, int Max = Min>
struct Opaque {
  static constexpr OpKind kind = OpKind::Opaque;
  static constexpr int operands = Min;
  static constexpr int max_operands = Max;
  using Attrs = NoAttrs;
};
template <int Min, int Max = Min>
struct Composite {
  static constexpr OpKind kind = OpKind::Composite;
  static constexpr int operands = Min;
  static constexpr int max_operands = Max;
  using Attrs = NoAttrs;
};
/// Operands go to the graphs' inputs; how many there are is for infer to check.
struct Control {
  static constexpr OpKind kind = OpKind::Control;
  static constexpr int operands = 0;
  static constexpr int max_operands = 4096;
};

// Derived rules that the bases share; ir/infer.cpp and ir/grad.cpp.
void infer_elementwise(const Infer&, Types& out);
void infer_reduction(const Infer&, Types& out);
/// Runs the body on types alone.
void infer_composite(const Infer&, Types& out);
/// Differentiates the body.
Grads vjp_composite(const Call&);
/// Merges dims that must be equal, such as inner sizes of a product: the equal one, or raises.
Dim unify(const Infer& c, Dim a, Dim b, std::string_view what);
/// Raises unless two shapes are equal.
void unify(const Infer& c, std::span<const Dim> a, std::span<const Dim> b, std::string_view what);

/// The broadcast of all shapes; raises through `c` when they do not fit.
Shape broadcast_shapes(const Infer& c, std::span<const TensorType> types);
/// Axes as 0 <= a < rank, sorted, without doubles; empty means all. Raises UserError otherwise.
Axes normalize_axes(std::string_view op, std::span<const int64_t> axes, int rank);
int64_t normalize_axis(std::string_view op, int64_t axis, int rank);

/// The operator's definition; one object per operator for the whole process. ir/registry.cpp has
/// those of ir/ops; a file that uses an operator of its own includes ir/op_def.h.
template <class T>
const OpDef& op_def();

/// The operators of one family; the registry joins the lists.
template <class... T>
struct OpList {
  template <class F>
  static void each(F&& f) {
    (f(op_def<T>()), ...);
  }
};

/// call_op() for one result, with the operands by address.
Var call_op1(const OpDef& op, std::span<const Var* const> operands, const void* attrs);

/// Emits T on Vars: op<Sum>({.axes = {0}}, x).
template <class T, std::same_as<Var>... V>
Var op(const typename T::Attrs& attrs, const V&... operands) {
  const Var* const list[] = {&operands...};
  return call_op1(op_def<T>(), list, &attrs);
}
template <class T, std::same_as<Var>... V>
Var op(const V&... operands) {
  return op<T>(typename T::Attrs{}, operands...);
}

/// Emits an operator without operands next to `like`.
template <class T>
Var op_beside(const Var& like, const typename T::Attrs& attrs) {
  return std::move(like.emitter().emit(op_def<T>(), {}, &attrs).front());
}

/// Emits a multi-result operator.
template <class T>
Vars ops(const typename T::Attrs& attrs, std::span<const Var> operands) {
  return call_op(op_def<T>(), operands, &attrs);
}

}  // namespace etch::ir
