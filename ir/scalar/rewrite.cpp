// Copies of expression graphs: compacted, expanded into primitives, folded.

// Only symbolic scalars are built here: forced inlining would cost 20 s of compile time for
// nothing.
#define ETCH_INLINE inline
#include "ir/math.h"
#include "ir/scalar/eval.h"
#include "ir/scalar/expr.h"
#include "ir/support/error.h"

namespace etch::ir {

namespace {

Expr expand_func(Prim op, const Expr* in) {
  switch (op) {
#define ETCH_CASE(Name, text) \
  case Prim::Name:            \
    return math::text(in[0]);
    ETCH_MATH_UNARY(ETCH_CASE)
#undef ETCH_CASE
    case Prim::Pow:
      return math::pow(in[0], in[1]);
    case Prim::Atan2:
      return math::atan2(in[0], in[1]);
    case Prim::Philox:
      return math::philox(in[0], in[1], in[2]);
    case Prim::Philox64:
      return math::philox64(in[0], in[1], in[2]);
    default:
      fail_internal("not a scalar function");
  }
}

Expr fold_node(ExprGraph& dst, const ExprNode& n, std::span<const Expr> in) {
  bool constant = !in.empty() && n.op != Prim::Reduce;
  uint64_t values[4] = {};
  for (size_t i = 0; i < in.size(); ++i) {
    const ExprNode& operand = dst.node(in[i].id);
    constant = constant && operand.op == Prim::Lit;
    values[i] = operand.bits;
  }
  if (!constant) return dst.make(n.op, n.dtype, in, n.bits);
  DType t = dst.node(in[n.op == Prim::Select ? 1 : 0].id).dtype;
  return dst.lit_bits(n.dtype, eval_prim(n.op, t, n.dtype, values));
}

/// Depth-first over what `roots` reach, without recursion; make_node(node, operands) copies one.
template <class F>
std::vector<uint32_t> copy(ExprGraph& dst, const ExprGraph& src, std::span<const uint32_t> roots,
                           F&& make_node) {
  invariant(&dst != &src, "a graph cannot be copied into itself");
  std::vector<uint32_t> to(src.size(), kNoExpr), stack, out;
  for (uint32_t root : roots) {
    stack.push_back(root);
    while (!stack.empty()) {
      uint32_t id = stack.back();
      const ExprNode& n = src.node(id);
      size_t before = stack.size();
      if (to[id] == kNoExpr) {
        for (int i = arity(n.op) - 1; i >= 0; --i) {
          if (to[n.in[i]] == kNoExpr) stack.push_back(n.in[i]);
        }
      }
      if (stack.size() != before) continue;
      stack.pop_back();
      if (to[id] != kNoExpr) continue;
      Expr in[4];
      for (int i = 0; i < arity(n.op); ++i) in[i] = {&dst, to[n.in[i]]};
      to[id] = make_node(n, std::span<const Expr>(in, static_cast<size_t>(arity(n.op)))).id;
    }
    out.push_back(to[root]);
  }
  return out;
}

}  // namespace

std::vector<uint32_t> compact(ExprGraph& dst, const ExprGraph& src,
                              std::span<const uint32_t> roots) {
  return copy(dst, src, roots, [&](const ExprNode& n, std::span<const Expr> in) {
    return dst.make(n.op, n.dtype, in, n.bits);
  });
}

std::vector<uint32_t> expand(ExprGraph& dst, const ExprGraph& src,
                             std::span<const uint32_t> roots) {
  // C++ leaves the order of evaluation inside a function body open: renumber afterwards.
  ExprGraph raw;
  std::vector<uint32_t> ids =
      copy(raw, src, roots, [&](const ExprNode& n, std::span<const Expr> in) {
        return is_func(n.op) ? expand_func(n.op, in.data()) : raw.make(n.op, n.dtype, in, n.bits);
      });
  return compact(dst, raw, ids);
}

std::vector<uint32_t> fold(ExprGraph& dst, const ExprGraph& src, std::span<const uint32_t> roots) {
  // Literals that folding used up stay behind in the first copy.
  ExprGraph raw;
  std::vector<uint32_t> ids =
      copy(raw, src, roots,
           [&](const ExprNode& n, std::span<const Expr> in) { return fold_node(raw, n, in); });
  return compact(dst, raw, ids);
}

}  // namespace etch::ir
