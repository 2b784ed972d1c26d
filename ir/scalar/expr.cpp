#include "ir/scalar/expr.h"

#include <cstring>

#include "ir/scalar/eval.h"
#include "ir/support/error.h"
#include "ir/support/text.h"

namespace etch::ir {

namespace {

uint64_t hash(const ExprNode& n) {
  uint64_t h = static_cast<uint64_t>(n.op) | static_cast<uint64_t>(n.dtype) << 8;
  for (uint64_t word :
       {uint64_t{n.in[0]} << 32 | n.in[1], uint64_t{n.in[2]} << 32 | n.in[3], n.bits}) {
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
  }
  return h;
}

}  // namespace

void ExprGraph::check(const ExprNode& n) const {
  const PrimInfo& p = info(n.op);
  for (int i = 0; i < 4; ++i) {
    bool used = i < p.arity;
    invariant(used ? n.in[i] < nodes_.size() : n.in[i] == kNoExpr, "scalar node: operand count");
  }
  if (p.arity == 0) return;
  DType a = nodes_[n.in[0]].dtype;
  if (!contains(p.types, a)) fail_internal(cat("scalar ", p.name, " does not take ", a));
  if (n.op == Prim::Select) {
    DType arm = nodes_[n.in[1]].dtype;
    if (arm != nodes_[n.in[2]].dtype || n.dtype != arm)
      fail_internal(cat("scalar select with arms ", arm, " and ", nodes_[n.in[2]].dtype));
    return;
  }
  for (int i = 1; i < p.arity; ++i) {
    DType b = nodes_[n.in[i]].dtype;
    if (b != a) fail_internal(cat("scalar ", p.name, " on ", a, " and ", b));
  }
  if (n.op == Prim::Bitcast && bits(a) != bits(n.dtype))
    fail_internal(cat("scalar bitcast of ", a, " to ", n.dtype));
  if (p.result != PrimResult::Given && n.dtype != result_dtype(n.op, a, a))
    fail_internal(cat("scalar ", p.name, " on ", a, " does not give ", n.dtype));
}

void ExprGraph::grow_table() {
  table_.assign(table_.empty() ? 64 : table_.size() * 2, kNoExpr);
  size_t mask = table_.size() - 1;
  for (uint32_t id = 0; id < nodes_.size(); ++id) {
    size_t at = hash(nodes_[id]) & mask;
    while (table_[at] != kNoExpr) at = (at + 1) & mask;
    table_[at] = id;
  }
}

Expr ExprGraph::add(const ExprNode& n) {
  if (nodes_.size() * 2 >= table_.size()) grow_table();
  size_t mask = table_.size() - 1;
  size_t at = hash(n) & mask;
  for (; table_[at] != kNoExpr; at = (at + 1) & mask) {
    if (nodes_[table_[at]] == n) return {this, table_[at]};
  }
  check(n);
  table_[at] = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back(n);
  return {this, table_[at]};
}

Expr ExprGraph::make(Prim op, DType dtype, std::span<const Expr> in, uint64_t bits) {
  ExprNode n{.op = op, .dtype = dtype, .bits = bits};
  invariant(in.size() <= 4, "scalar node: operand count");
  for (size_t i = 0; i < in.size(); ++i) {
    invariant(in[i].g == this, "scalar operand of another graph");
    n.in[i] = in[i].id;
  }
  return add(n);
}

Expr ExprGraph::arg(DType t, uint32_t number) { return make(Prim::Arg, t, {}, number); }
Expr ExprGraph::lit_bits(DType t, uint64_t bits) {
  return make(Prim::Lit, t, {}, canonical_value(t, bits));
}
Expr ExprGraph::lit(DType t, double v) {
  return lit_bits(t, eval_cast(DType::F64, t, __builtin_bit_cast(uint64_t, v)));
}
Expr ExprGraph::lit_int(DType t, int64_t v) {
  return lit_bits(t, eval_cast(DType::I64, t, static_cast<uint64_t>(v)));
}
Expr ExprGraph::load(DType t, uint64_t bits) { return make(Prim::Load, t, {}, bits); }
Expr ExprGraph::index(uint64_t dim) { return make(Prim::Index, DType::I64, {}, dim); }
Expr ExprGraph::param(DType t, uint64_t number) { return make(Prim::Param, t, {}, number); }
Expr ExprGraph::reduce(DType t, Expr operand, uint64_t bits) {
  return make(Prim::Reduce, t, {&operand, 1}, bits);
}

Expr make_expr(Prim op, Expr a) {
  return a.g->make(op, result_dtype(op, a.dtype(), a.dtype()), {&a, 1});
}
Expr make_expr(Prim op, Expr a, Expr b) {
  Expr in[] = {a, b};
  return a.g->make(op, result_dtype(op, a.dtype(), b.dtype()), in);
}
Expr make_expr(Prim op, Expr a, Expr b, Expr c) {
  Expr in[] = {a, b, c};
  return a.g->make(op, result_dtype(op, a.dtype(), b.dtype()), in);
}

Expr lit_of(Expr x, double v) { return x.g->lit(x.dtype(), v); }
Expr lit_of(Expr x, int64_t v) { return x.g->lit_int(x.dtype(), v); }
Expr lit_of(Expr x, uint64_t v) {
  return x.g->lit_bits(x.dtype(), eval_cast(DType::U64, x.dtype(), v));
}

Expr cast(Expr x, DType t) { return x.dtype() == t ? x : x.g->make(Prim::Cast, t, {&x, 1}); }
Expr bitcast(Expr x, DType t) { return x.dtype() == t ? x : x.g->make(Prim::Bitcast, t, {&x, 1}); }

std::string to_text(const ExprGraph& g) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (uint32_t id = 0; id < g.size(); ++id) {
    const ExprNode& n = g.node(id);
    out += cat('%', id, " = ", name(n.op), ' ', n.dtype);
    for (int i = 0; i < arity(n.op); ++i) out += cat(" %", n.in[i]);
    if (n.op == Prim::Lit) {
      out += " 0x";
      for (int digit = bits(n.dtype) / 4 - 1; digit >= 0; --digit)
        out += kHex[n.bits >> (4 * digit) & 15];
    } else if (is_leaf(n.op) || n.op == Prim::Reduce) {
      out += cat(" #", n.bits);
    }
    out += '\n';
  }
  return out;
}

}  // namespace etch::ir
