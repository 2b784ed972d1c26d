#include "passes/outline_cost.h"

#include <algorithm>
#include <cmath>

namespace etch::passes {

using namespace etch::ir;

namespace {

constexpr double kElementsPerMicrosecond = 4000, kProductsPerMicrosecond = 50000;
// What `batch` takes.
constexpr double kSmallElements = 4096, kSmallProducts = 32768, kFewRows = 4;

/// Elements, symbolic sizes counting as one.
double elements(const TensorType& t) {
  double n = 1;
  for (Dim d : t.shape) n *= d.is_const() ? static_cast<double>(d.value()) : 1;
  return n;
}

/// Emits composites as their bodies.
class FlatEmitter : public GraphEmitter {
 public:
  using GraphEmitter::GraphEmitter;
  Vars emit(const OpDef& op, std::span<const Var> operands, const void* attrs) override {
    if (op.kind != OpKind::Composite) return GraphEmitter::emit(op, operands, attrs);
    return op.body(Call(op, attrs, operands));
  }
};

OutlineCost cost_of(const Graph& g, const Node& n);

OutlineCost cost_of_all(const Graph& g) {
  OutlineCost out;
  for (NodeId id : g) {
    const OutlineCost c = cost_of(g, g.node(id));
    out.fuses &= c.fuses;
    out.microseconds += c.microseconds;
  }
  return out;
}

OutlineCost cost_of_composite(const Graph& g, const Node& n) {
  Graph body;
  body.assume_sizes(g);
  FlatEmitter emitter(body);
  Vars operands;
  for (Value v : n.inputs) operands.push_back(emitter.var(body.add_input("x", g.type(v))));
  n.op->body(Call(*n.op, n.attrs.data(), operands));
  return cost_of_all(body);
}

OutlineCost cost_of(const Graph& g, const Node& n) {
  if (n.inputs.empty() || n.op->is_view()) return {};
  if (n.op->kind == OpKind::Composite) return cost_of_composite(g, n);
  if (is_fusion(n)) return cost_of_all(*n.body);
  double made = 0, most = 0;
  for (const TensorType& t : n.outputs) made += elements(t);
  for (Value v : n.inputs) most = std::max(most, elements(g.type(v)));
  if (n.op->kind == OpKind::Contraction && n.inputs.size() >= 2) {
    // [M, K] times [K, N] is the root of MK KN MN products; near enough for the others.
    const double products = std::sqrt(made) * std::sqrt(elements(g.type(n.inputs[0]))) *
                            std::sqrt(elements(g.type(n.inputs[1])));
    const Shape& rows = g.type(n.inputs[0]).shape;
    const double last = rows.empty() || !rows.back().is_const() ? 1 : rows.back().value();
    const bool small = products <= kSmallProducts ||
                       elements(g.type(n.inputs[0])) <= kFewRows * std::max(last, 1.0);
    return {false, small ? 0 : products / kProductsPerMicrosecond};
  }
  if (n.op->is_control()) {
    OutlineCost out{false, 0};
    for (const GraphRef& body : bodies_of(n)) out.microseconds += cost_of_all(*body).microseconds;
    return out;
  }
  const bool fuses = n.op->is_elementwise() || n.op->kind == OpKind::Reduction;
  const double n_elements = std::max(made, most);
  return {fuses, n_elements <= kSmallElements ? 0 : n_elements / kElementsPerMicrosecond};
}

}  // namespace

OutlineCost cost_of(const Graph& g, NodeId id) {
  try {
    return cost_of(g, g.node(id));
  } catch (const UserError&) {  // it cannot decide about a symbolic size
    return {false, 0};
  }
}

}  // namespace etch::passes
