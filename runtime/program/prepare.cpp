#include "runtime/program/prepare.h"

#include "ir/loop/lower.h"

namespace etch::runtime {
namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::Value;

/// Emits composites as their bodies.
class FlatEmitter : public ir::GraphEmitter {
 public:
  using GraphEmitter::GraphEmitter;
  ir::Vars emit(const ir::OpDef& op, std::span<const ir::Var> operands,
                const void* attrs) override {
    if (op.kind != ir::OpKind::Composite) return GraphEmitter::emit(op, operands, attrs);
    return op.body(ir::Call(op, attrs, operands));
  }
};

/// The body of composite `n` as a graph of its own; bodies inside it replaced by theirs when flat.
std::shared_ptr<const Graph> body_of(const Graph& g, const Node& n, bool flat) {
  auto body = std::make_shared<Graph>();
  body->name = std::string(n.op->name());
  body->assume_sizes(g);
  FlatEmitter all(*body);
  ir::GraphEmitter one(*body);
  ir::GraphEmitter& emitter = flat ? all : one;
  ir::Vars operands;
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    operands.push_back(emitter.var(body->add_input(cat("x", i), g.type(n.inputs[i]))));
  }
  for (const ir::Var& v : n.op->body(ir::Call(*n.op, n.attrs.data(), operands))) {
    body->add_result(ir::GraphEmitter::value(v), "y");
  }
  return body;
}

void replace(Graph& g, NodeId id, std::span<const Value> by) {
  for (uint32_t i = 0; i < by.size(); ++i) g.replace_uses({id, i}, by[i]);
  g.erase(id);
}

/// Puts the nodes of `body` in place of node `id`, under its scope and line.
void inline_body(Graph& g, NodeId id, const Graph& body) {
  g.set_origin(g.node(id).scope, g.node(id).loc);
  SmallVec<Value, 4> operands = g.node(id).inputs;
  replace(g, id, ir::inline_graph(g, body, operands, id));
  g.set_origin(0, 0);
}

void fuse_body(Graph& g, NodeId id, std::shared_ptr<const Graph> body) {
  SmallVec<Value, 4> operands = g.node(id).inputs;
  NodeId fusion = g.add_fusion(std::move(body), operands, id);
  g.copy_origin(fusion, g, id);
  std::vector<Value> results;
  for (uint32_t i = 0; i < g.node(fusion).outputs.size(); ++i) results.push_back({fusion, i});
  replace(g, id, results);
}

}  // namespace

bool prepare(Graph& g) {
  bool changed = false;
  for (NodeId id = g.first(); id != ir::kNoNode;) {
    const Node& n = g.node(id);
    const NodeId before = n.prev, after = n.next;
    NodeId next = after;
    bool composite = n.op->kind == ir::OpKind::Composite;
    if (composite || ir::is_fusion(n)) {
      std::shared_ptr<const Graph> body = composite ? body_of(g, n, true) : n.body;
      bool lowers = ir::loop::lower(*body).kernel.has_value();
      if (lowers && composite) fuse_body(g, id, body);
      if (!lowers) {
        inline_body(g, id, composite ? *body_of(g, g.node(id), false) : *body);
        next = before == ir::kNoNode ? g.first() : g.node(before).next;  // nested ones
      }
      changed |= composite || !lowers;
    }
    id = next;
  }
  return changed;
}

}  // namespace etch::runtime
