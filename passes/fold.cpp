#include "passes/fold.h"

#include "ir/interfaces.h"
#include "ir/scalar/eval.h"
#include "ir/support/checked.h"
#include "passes/match.h"

namespace etch::passes {
namespace {

using namespace ir;
using ConstantPtr = std::shared_ptr<const Constant>;

constexpr size_t kAlwaysBytes = 4096;

/// The scalar function of an elementwise node on numbers.
Number evaluate_scalar(const Node& n, std::span<const Number> in) {
  ExprGraph expressions;
  std::vector<Expr> args;
  std::vector<uint64_t> bits;
  for (size_t i = 0; i < in.size(); ++i) {
    args.push_back(expressions.arg(in[i].dtype, static_cast<uint32_t>(i)));
    bits.push_back(in[i].bits);
  }
  const uint32_t root[] = {n.op->scalar(n.attrs.data(), args).id};
  return {n.outputs[0].dtype, eval_graph(expressions, root, bits).front()};
}

/// Replaces a node on numbers by a `full`.
bool fold_numbers(Graph& g, NodeId id) {
  const Node& n = g.node(id);
  if (n.inputs.empty() || (!n.op->is_elementwise() && !n.op->is_view())) return false;
  SmallVec<Number, 4> in;
  for (Value v : n.inputs) {
    std::optional<Number> number = uniform_number(g, v);
    if (!number) return false;
    in.push_back(*number);
  }
  Number out = n.op->is_view() ? in[0] : evaluate_scalar(n, in);
  g.replace_uses({id, 0}, Match(g, id).full(out));
  return true;
}

/// Bytes of all values; nullopt when one is symbolic or too large to count.
template <class TypeList>
std::optional<uint64_t> total_bytes(const TypeList& types) {
  uint64_t total = 0;
  for (const TensorType& t : types) {
    if (!is_static(t.shape)) return std::nullopt;
    auto bytes = checked_nbytes(t.dtype, shape_eval(t.shape, {}));
    auto sum = bytes ? checked_add(total, *bytes) : std::nullopt;
    if (!sum) return std::nullopt;
    total = *sum;
  }
  return total;
}

/// One node as a graph of its own: constants become inputs, `full` operands come along.
struct Extract {
  Graph graph;
  std::vector<ConstantPtr> inputs;
};

Extract extract(const Graph& g, const Node& n) {
  Extract e;
  SmallVec<Value, 4> operands;
  for (Value v : n.inputs) {
    if (!is_constant(g.node(v.node))) {
      operands.push_back({});
      continue;
    }
    e.inputs.push_back(g.node(v.node).constant);
    operands.push_back(e.graph.add_input(cat("c", e.inputs.size()), g.type(v)));
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    const Node& full = g.node(n.inputs[i].node);
    if (operands[i].valid()) continue;
    operands[i] = {e.graph.add_node(*full.op, {}, full.attrs, full.outputs), 0};
  }
  NodeId id = is_fusion(n) ? e.graph.add_fusion(n.body, operands)
                           : e.graph.add_node(*n.op, operands, n.attrs, n.outputs);
  for (uint32_t i = 0; i < n.outputs.size(); ++i) e.graph.add_result({id, i}, cat("r", i));
  return e;
}

/// Whether every operand is known and at least one is a constant with contents of its own.
bool takes_constants(const Graph& g, const Node& n) {
  bool any = false;
  for (Value v : n.inputs) {
    const Node& source = g.node(v.node);
    any |= is_constant(source);
    if (!is_constant(source) && source.op != &op_def<Full>()) return false;
  }
  return any;
}

/// Replaces a node on constants by constants; takes what it made from `budget`.
bool fold_tensors(Graph& g, NodeId id, Evaluator& evaluator, size_t& budget) {
  const Node& n = g.node(id);
  // A loop may take any time.
  if (n.op->is_control() || !takes_constants(g, n)) return false;
  uint64_t known = 0;
  for (Value v : n.inputs) {
    const Node& source = g.node(v.node);
    if (is_constant(source)) known += source.constant->bytes;
  }
  std::optional<uint64_t> made = total_bytes(n.outputs);
  if (!made || *made > std::max<uint64_t>(known, kAlwaysBytes) || *made > budget) return false;
  Extract e = extract(g, n);
  std::vector<ConstantPtr> values;
  try {
    values = evaluator.evaluate(e.graph, e.inputs, budget);
  } catch (const UserError&) {
    return false;
  }
  budget -= *made;
  g.set_origin(n.scope, n.loc);
  for (uint32_t i = 0; i < values.size(); ++i)
    g.replace_uses({id, i}, g.add_constant(values[i], id));
  g.set_origin(0, 0);
  return true;
}

}  // namespace

bool fold(Graph& g, const PassContext& context) {
  size_t budget = context.fold_budget;
  std::vector<bool> is_result(g.capacity());
  for (const GraphResult& r : g.results()) is_result[r.value.node] = true;
  bool changed = false;
  for (NodeId id : g) {
    if (g.node(id).uses.empty() && !is_result[id]) continue;
    if (fold_numbers(g, id)) {
      changed = true;
    } else if (context.evaluator != nullptr) {
      changed |= fold_tensors(g, id, *context.evaluator, budget);
    }
  }
  return changed;
}

}  // namespace etch::passes
