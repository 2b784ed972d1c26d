#include "ir/ops/reduce.h"

#include "ir/ops/math.h"

namespace etch::ir {
namespace {

/// Shares g evenly among the elements equal to the chosen one.
Grads extremum_vjp(const Call& c, std::string_view name) {
  const auto& a = c.as<ReduceAttrs>();
  Var x = c.in(0);
  Var best = restore_axes(c.out(), x.shape(), a, name);
  Var hits = op<Cast>({x.dtype()}, op<Eq>(x, best));
  Var count = op<Sum>({a.axes, true}, hits);
  return {hits * (restore_axes(c.grad(), x.shape(), a, name) / count)};
}

}  // namespace

Var restore_axes(const Var& g, const Shape& x, const ReduceAttrs& a, std::string_view name) {
  if (a.keepdims) return g;
  Shape shape = x;
  for (int64_t axis : normalize_axes(name, a.axes, static_cast<int>(x.size()))) {
    shape[static_cast<size_t>(axis)] = Dim(1);
  }
  return same_shape(shape, g.shape()) ? g : op<Reshape>({shape}, g);
}

Var reduced_count(const Var& x, const ReduceAttrs& a, std::string_view name) {
  TensorType t = x.type();
  Dim count(1);
  for (int64_t axis : normalize_axes(name, a.axes, t.rank())) {
    count = count * t.shape[static_cast<size_t>(axis)];
  }
  if (count.is_const()) return constant_like(x, static_cast<double>(count.value()));
  return op_beside<DimValue>(x, {{count}, t.dtype});
}

Grads Prod::vjp(const Call& c) {
  const auto& a = c.as<Attrs>();
  Var x = c.in(0), zero = constant_like(x, 0);
  Shape shape = x.shape();
  Var is_zero = op<Eq>(x, zero);
  Var zeros = op<Sum>({a.axes, true}, op<Cast>({x.dtype()}, is_zero));
  Var others = op<Prod>({a.axes, true}, op<Where>(is_zero, constant_like(x, 1), x));
  // Without zeros every slope is out / x; with one zero only its own slope is left.
  Var at_zero = op<Where>(op<Eq>(zeros, constant_like(x, 1)), others, zero);
  Var elsewhere = op<Where>(op<Eq>(zeros, zero), others / x, zero);
  return {restore_axes(c.grad(), shape, a, "prod") * op<Where>(is_zero, at_zero, elsewhere)};
}

Grads ReduceMax::vjp(const Call& c) { return extremum_vjp(c, "amax"); }
Grads ReduceMin::vjp(const Call& c) { return extremum_vjp(c, "amin"); }

}  // namespace etch::ir
