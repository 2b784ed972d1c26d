// From the struct that states an operator's meaning to its OpDef, at compile time.
#pragma once

#include <array>

#include "ir/op.h"

namespace etch::ir {

namespace detail {

template <class T, class A, size_t... I>
Expr call_scalar(const void* attrs, std::span<const Expr> x, std::index_sequence<I...>) {
  if constexpr (std::is_same_v<A, NoAttrs>) {
    return T::scalar(x[I]...);
  } else {
    return T::scalar(*static_cast<const A*>(attrs), x[I]...);
  }
}

/// "Sum" for etch::ir::Sum.
template <class T>
consteval std::string_view short_type_name() {
  std::string_view s = __PRETTY_FUNCTION__;
  s = s.substr(s.find("T = ") + 4);
  s = s.substr(0, s.find_first_of(";]"));
  size_t colons = s.rfind("::");
  return colons == std::string_view::npos ? s : s.substr(colons + 2);
}

/// The same without the rest of the literal it is cut out of.
template <class T>
inline constexpr auto kTypeName = [] {
  constexpr std::string_view s = short_type_name<T>();
  std::array<char, s.size()> out{};
  for (size_t i = 0; i < s.size(); ++i) out[i] = s[i];
  return out;
}();

template <class T>
constexpr bool has_no_gradient = requires { T::vjp.reason; };

template <class T>
consteval OpDef make_op() {
  using A = typename T::Attrs;
  OpDef d;
  d.info = T::info;
  d.type_name = {kTypeName<T>.data(), kTypeName<T>.size()};
  d.kind = T::kind;
  d.min_operands = d.max_operands = T::operands;
  if constexpr (T::kind == OpKind::Control && requires(const Call& c) { T::body(c); }) {
    d.body = &T::body;
  }
  if constexpr (requires { T::max_operands; }) d.max_operands = T::max_operands;
  if constexpr (requires { T::results; }) d.results = T::results;
  if constexpr (requires { T::typed_from; }) d.typed_from = T::typed_from;
  if constexpr (requires { T::typed_to; }) d.typed_to = T::typed_to;
  if constexpr (requires { T::result; }) d.result = T::result;
  if constexpr (requires { T::total; }) d.total = T::total;
  if constexpr (requires { &T::index_size; }) d.index_size = &T::index_size;
  d.schema = &attr_schema<A>();

  if constexpr (T::kind == OpKind::Elementwise) {
    static_assert(
        requires { &T::scalar; }, "an elementwise operator needs static Expr scalar(Expr...)");
    d.scalar = [](const void* attrs, std::span<const Expr> x) {
      return call_scalar<T, A>(attrs, x, std::make_index_sequence<T::operands>{});
    };
    d.infer = &infer_elementwise;
  }
  if constexpr (T::kind == OpKind::Reduction) {
    d.reduce = T::reduce;
    d.infer = &infer_reduction;
  }
  if constexpr (T::kind == OpKind::View) {
    static_assert(
        requires(const A& a, const Shape& s, StridedView& v) { T::view(a, s, v); },
        "a view needs static bool view(const Attrs&, const Shape& out, StridedView&)");
    d.view = [](const void* attrs, const Shape& out, StridedView& v) {
      if constexpr (std::is_same_v<A, NoAttrs>) {
        return T::view(A{}, out, v);  // whose address may be null
      } else {
        return T::view(*static_cast<const A*>(attrs), out, v);
      }
    };
  }
  if constexpr (T::kind == OpKind::Contraction || T::kind == OpKind::Opaque) {
    static_assert(
        requires(const KernelCall& c) { T::kernel(c); },
        "a contraction or opaque operator needs static void kernel(const KernelCall&)");
    d.kernel = &T::kernel;
  }
  if constexpr (T::kind == OpKind::Composite) {
    static_assert(
        requires(const Call& c) { T::body(c); }, "a composite needs static Vars body(const Call&)");
    d.body = &T::body;
    d.infer = &infer_composite;
    d.vjp = &vjp_composite;
  }
  if constexpr (requires { &T::infer; }) d.infer = &T::infer;

  constexpr bool states_gradient =
      T::kind == OpKind::Composite || has_no_gradient<T> || requires(const Call& c) { T::vjp(c); };
  static_assert(states_gradient,
                "state static Grads vjp(const Call&), or static constexpr NoGradient vjp{\"why\"}");
  if constexpr (has_no_gradient<T>) {
    d.no_gradient = T::vjp.reason;
    d.vjp = nullptr;
  } else if constexpr (requires(const Call& c) { T::vjp(c); }) {
    d.vjp = &T::vjp;
  }

  constexpr bool own_onnx = requires(OnnxWriter& w) { T::to_onnx(w); };
  static_assert(
      own_onnx || T::info.onnx.via_body || !T::info.onnx.op.empty() || !T::info.onnx.reason.empty(),
      "state .onnx = {op, since}, kViaBody or kNoOnnx(\"why\"), or give to_onnx()");
  if constexpr (own_onnx) d.to_onnx = &T::to_onnx;
  return d;
}

template <class T>
inline constexpr OpDef kOpDef = make_op<T>();

}  // namespace detail

template <class T>
[[gnu::noinline]] const OpDef& op_def() {
  return detail::kOpDef<T>;
}

}  // namespace etch::ir
