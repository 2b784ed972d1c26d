// Symbolic scalars: expressions as a hash-consed graph that every engine prints or walks.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ir/dtype.h"
#include "ir/scalar/prim.h"

namespace etch::ir {

inline constexpr uint32_t kNoExpr = UINT32_MAX;

/// One node. Unused inputs are kNoExpr; `bits` is the literal, argument, load, ... (scalar.def).
struct ExprNode {
  Prim op = Prim::Lit;
  DType dtype = DType::F32;
  uint32_t in[4] = {kNoExpr, kNoExpr, kNoExpr, kNoExpr};
  uint64_t bits = 0;

  bool operator==(const ExprNode&) const = default;
};

class ExprGraph;

/// A node of one graph: 16 bytes, copied freely, valid while the graph lives.
struct Expr {
  ExprGraph* g = nullptr;
  uint32_t id = kNoExpr;

  /// The type with elements T; for symbolic scalars the graph keeps the type.
  template <class T>
  using As = Expr;

  DType dtype() const;
  const ExprNode& node() const;
};

/// Nodes in topological order (inputs first). Equal nodes are one node; operands never change
/// places. Building an ill-typed node throws InternalError.
class ExprGraph {
 public:
  ExprGraph() = default;
  ExprGraph(ExprGraph&&) = default;
  ExprGraph& operator=(ExprGraph&&) = default;
  ExprGraph(const ExprGraph&) = default;
  ExprGraph& operator=(const ExprGraph&) = default;

  const std::vector<ExprNode>& nodes() const { return nodes_; }
  const ExprNode& node(uint32_t id) const { return nodes_[id]; }
  size_t size() const { return nodes_.size(); }

  /// The node equal to `n`, added if new; checks operand count and types.
  Expr add(const ExprNode& n);
  Expr make(Prim op, DType dtype, std::span<const Expr> in, uint64_t bits = 0);

  Expr arg(DType t, uint32_t number);
  /// `bits`: the value's pattern, zero-extended. NaNs become one pattern.
  Expr lit_bits(DType t, uint64_t bits);
  Expr lit(DType t, double v);
  Expr lit_int(DType t, int64_t v);

  Expr load(DType t, uint64_t bits);
  Expr index(uint64_t dim);
  Expr param(DType t, uint64_t number);
  Expr reduce(DType t, Expr operand, uint64_t bits);

 private:
  void check(const ExprNode& n) const;
  void grow_table();

  std::vector<ExprNode> nodes_;
  std::vector<uint32_t> table_;  // open addressing, size a power of two, kNoExpr = empty
};

inline const ExprNode& Expr::node() const { return g->node(id); }
inline DType Expr::dtype() const { return node().dtype; }

/// Node of `op` with the result type that scalar.def states; all operands in one graph.
Expr make_expr(Prim op, Expr a);
Expr make_expr(Prim op, Expr a, Expr b);
Expr make_expr(Prim op, Expr a, Expr b, Expr c);

/// Literal of x's type. Out-of-range values convert as Prim::Cast does.
Expr lit_of(Expr x, double v);
Expr lit_of(Expr x, int64_t v);
Expr lit_of(Expr x, uint64_t v);

template <class L>
concept Literal = std::is_arithmetic_v<L>;

/// Literal `v` with the type of `x`.
template <Literal L>
Expr lit_like(Expr x, L v) {
  if constexpr (std::is_floating_point_v<L>)
    return lit_of(x, static_cast<double>(v));
  else if constexpr (std::is_signed_v<L>)
    return lit_of(x, static_cast<int64_t>(v));
  else
    return lit_of(x, static_cast<uint64_t>(v));
}

Expr cast(Expr x, DType t);
Expr bitcast(Expr x, DType t);
template <class T>
Expr cast(Expr x) {
  return cast(x, dtype_of<T>);
}
template <class T>
Expr bitcast(Expr x) {
  return bitcast(x, dtype_of<T>);
}
/// Literal `v` of type T in x's graph.
template <class T, Literal L>
Expr lit_as(Expr x, L v) {
  Expr like{x.g, x.g->lit_bits(dtype_of<T>, 0).id};
  return lit_like(like, v);
}

// A binary function over (Expr, Expr), with a C++ literal allowed on either side.
#define ETCH_EXPR_BINARY(fn, prim, x, y)                           \
  inline Expr fn(Expr a, Expr b) { return make_expr(prim, x, y); } \
  template <Literal L>                                             \
  Expr fn(Expr a, L v) {                                           \
    return fn(a, lit_like(a, v));                                  \
  }                                                                \
  template <Literal L>                                             \
  Expr fn(L v, Expr b) {                                           \
    return fn(lit_like(b, v), b);                                  \
  }

ETCH_EXPR_BINARY(operator+, Prim::Add, a, b)
ETCH_EXPR_BINARY(operator-, Prim::Sub, a, b)
ETCH_EXPR_BINARY(operator*, Prim::Mul, a, b)
ETCH_EXPR_BINARY(operator/, Prim::Div, a, b)
ETCH_EXPR_BINARY(operator&, Prim::And, a, b)
ETCH_EXPR_BINARY(operator|, Prim::Or, a, b)
ETCH_EXPR_BINARY(operator^, Prim::Xor, a, b)
ETCH_EXPR_BINARY(operator<<, Prim::Shl, a, b)
ETCH_EXPR_BINARY(operator>>, Prim::Shr, a, b)
ETCH_EXPR_BINARY(operator==, Prim::Eq, a, b)
ETCH_EXPR_BINARY(operator!=, Prim::Ne, a, b)
ETCH_EXPR_BINARY(operator<, Prim::Lt, a, b)
ETCH_EXPR_BINARY(operator<=, Prim::Le, a, b)
ETCH_EXPR_BINARY(operator>, Prim::Lt, b, a)
ETCH_EXPR_BINARY(operator>=, Prim::Le, b, a)
ETCH_EXPR_BINARY(eq, Prim::Eq, a, b)
ETCH_EXPR_BINARY(ne, Prim::Ne, a, b)
ETCH_EXPR_BINARY(lt, Prim::Lt, a, b)
ETCH_EXPR_BINARY(le, Prim::Le, a, b)
ETCH_EXPR_BINARY(gt, Prim::Lt, b, a)
ETCH_EXPR_BINARY(ge, Prim::Le, b, a)
ETCH_EXPR_BINARY(int_rem, Prim::Rem, a, b)
ETCH_EXPR_BINARY(min, Prim::Min, a, b)
ETCH_EXPR_BINARY(max, Prim::Max, a, b)
ETCH_EXPR_BINARY(copysign, Prim::Copysign, a, b)
ETCH_EXPR_BINARY(pow, Prim::Pow, a, b)
ETCH_EXPR_BINARY(atan2, Prim::Atan2, a, b)
#undef ETCH_EXPR_BINARY

#define ETCH_EXPR_UNARY(fn, prim) \
  inline Expr fn(Expr x) { return make_expr(prim, x); }
ETCH_EXPR_UNARY(operator-, Prim::Neg)
ETCH_EXPR_UNARY(operator~, Prim::Not)
ETCH_EXPR_UNARY(operator!, Prim::Not)
ETCH_EXPR_UNARY(abs, Prim::Abs)
ETCH_EXPR_UNARY(sqrt, Prim::Sqrt)
ETCH_EXPR_UNARY(floor, Prim::Floor)
ETCH_EXPR_UNARY(ceil, Prim::Ceil)
ETCH_EXPR_UNARY(trunc, Prim::Trunc)
ETCH_EXPR_UNARY(rint, Prim::Rint)
ETCH_EXPR_UNARY(exp, Prim::Exp)
ETCH_EXPR_UNARY(exp2, Prim::Exp2)
ETCH_EXPR_UNARY(expm1, Prim::Expm1)
ETCH_EXPR_UNARY(log, Prim::Log)
ETCH_EXPR_UNARY(log2, Prim::Log2)
ETCH_EXPR_UNARY(log10, Prim::Log10)
ETCH_EXPR_UNARY(log1p, Prim::Log1p)
ETCH_EXPR_UNARY(sin, Prim::Sin)
ETCH_EXPR_UNARY(cos, Prim::Cos)
ETCH_EXPR_UNARY(tan, Prim::Tan)
ETCH_EXPR_UNARY(asin, Prim::Asin)
ETCH_EXPR_UNARY(acos, Prim::Acos)
ETCH_EXPR_UNARY(atan, Prim::Atan)
ETCH_EXPR_UNARY(sinh, Prim::Sinh)
ETCH_EXPR_UNARY(cosh, Prim::Cosh)
ETCH_EXPR_UNARY(tanh, Prim::Tanh)
ETCH_EXPR_UNARY(asinh, Prim::Asinh)
ETCH_EXPR_UNARY(acosh, Prim::Acosh)
ETCH_EXPR_UNARY(atanh, Prim::Atanh)
ETCH_EXPR_UNARY(erf, Prim::Erf)
ETCH_EXPR_UNARY(erfc, Prim::Erfc)
#undef ETCH_EXPR_UNARY

inline Expr fma(Expr a, Expr b, Expr c) { return make_expr(Prim::Fma, a, b, c); }
template <Literal L>
Expr fma(Expr a, Expr b, L c) {
  return fma(a, b, lit_like(a, c));
}
template <Literal L>
Expr fma(Expr a, L b, Expr c) {
  return fma(a, lit_like(a, b), c);
}
template <Literal L, Literal M>
Expr fma(Expr a, L b, M c) {
  return fma(a, lit_like(a, b), lit_like(a, c));
}

/// c ? a : b, without control flow: both arms are evaluated.
inline Expr select(Expr c, Expr a, Expr b) { return make_expr(Prim::Select, c, a, b); }
template <Literal L>
Expr select(Expr c, Expr a, L b) {
  return select(c, a, lit_like(a, b));
}
template <Literal L>
Expr select(Expr c, L a, Expr b) {
  return select(c, lit_like(b, a), b);
}

/// Random words: see Prim::Philox and Prim::Philox64. All operands u64; results u32, u64.
inline Expr philox(Expr seed, Expr ordinal, Expr i) {
  return make_expr(Prim::Philox, seed, ordinal, i);
}
inline Expr philox64(Expr seed, Expr ordinal, Expr i) {
  return make_expr(Prim::Philox64, seed, ordinal, i);
}

/// Copies what `roots` reach into `dst`, inputs first, operands left to right: the numbering
/// depends on the structure only. Returns the copies of `roots`.
std::vector<uint32_t> compact(ExprGraph& dst, const ExprGraph& src,
                              std::span<const uint32_t> roots);
/// As compact(), with every math function rewritten into primitives.
std::vector<uint32_t> expand(ExprGraph& dst, const ExprGraph& src, std::span<const uint32_t> roots);
/// As compact(), with every node whose operands are literals evaluated (eval.h).
std::vector<uint32_t> fold(ExprGraph& dst, const ExprGraph& src, std::span<const uint32_t> roots);

/// One line per node: "%3 = add f32 %1 %2"; literals as hex bits.
std::string to_text(const ExprGraph& g);

/// What operator definitions may use: see also ir/scalar/helpers.h.
template <class S>
concept Scalar = std::is_trivially_copyable_v<S> && requires(S x) {
  { x + x } -> std::same_as<S>;
  { 1 - x } -> std::same_as<S>;
  { x * 0.5 } -> std::same_as<S>;
  { -x } -> std::same_as<S>;
  { lit_like(x, 1.0) } -> std::same_as<S>;
  { select(x < x, x, x) } -> std::same_as<S>;
  { fma(x, x, x) } -> std::same_as<S>;
  { x.dtype() } -> std::same_as<DType>;
};

static_assert(Scalar<Expr>);

}  // namespace etch::ir
