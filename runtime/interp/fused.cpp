#include "runtime/interp/fused.h"

#include <vector>

namespace etch::runtime {

namespace {

using ir::Expr;
using ir::ExprGraph;
using ir::ExprNode;

/// The patterns' roots, in one graph over three arguments.
struct Patterns {
  ExprGraph graph;
  std::vector<std::pair<Fused, uint32_t>> roots;

  Patterns() {
    Expr a[3];
    for (uint32_t i = 0; i < 3; ++i) a[i] = graph.arg(DType::F32, i);
#define ETCH_FUSED_PATTERN(Name) roots.emplace_back(Fused::Name, root<fused::Name>(a).id);
    ETCH_FUSED_LOOPS(ETCH_FUSED_PATTERN)
#undef ETCH_FUSED_PATTERN
  }
  template <class Op>
  static Expr root(const Expr* a) {
    if constexpr (requires { Op::run(a[0]); })
      return Op::run(a[0]);
    else if constexpr (requires { Op::run(a[0], a[1]); })
      return Op::run(a[0], a[1]);
    else
      return Op::run(a[0], a[1], a[2]);
  }
};

bool match(const ExprGraph& pattern, uint32_t p, const ExprGraph& g, uint32_t id, FusedNode& out) {
  const ExprNode &want = pattern.node(p), &n = g.node(id);
  if (want.op == ir::Prim::Arg) {
    if (n.dtype != want.dtype) return false;
    if (out.operands.size() <= want.bits) out.operands.resize(want.bits + 1, ir::kNoExpr);
    uint32_t& bound = out.operands[want.bits];
    if (bound != ir::kNoExpr && bound != id) return false;
    bound = id;
    return true;
  }
  if (n.op != want.op || n.dtype != want.dtype || n.bits != want.bits) return false;
  for (int i = 0; i < ir::arity(n.op); ++i) {
    if (!match(pattern, want.in[i], g, n.in[i], out)) return false;
  }
  if (n.op != ir::Prim::Lit) out.inside.push_back(id);
  return true;
}

}  // namespace

std::optional<FusedNode> match_fused(const ExprGraph& g, uint32_t id) {
  static const Patterns patterns;
  if (g.node(id).dtype != DType::F32) return std::nullopt;
  for (auto [kind, root] : patterns.roots) {
    FusedNode out;
    if (!match(patterns.graph, root, g, id, out)) continue;
    out.inside.pop_back();  // the node itself
    out.kind = kind;
    return out;
  }
  return std::nullopt;
}

}  // namespace etch::runtime
