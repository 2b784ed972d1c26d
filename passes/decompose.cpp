#include "passes/decompose.h"

namespace etch::passes {
namespace {

using ir::Graph;
using ir::GraphEmitter;
using ir::Node;
using ir::NodeId;

/// Emits the body before the node and lets it take over the node's users.
void expand_node(Graph& g, NodeId id) {
  const Node n = g.node(id);  // a copy: emitting moves the slab
  g.set_origin(n.scope, n.loc);
  GraphEmitter emitter(g, id);
  ir::Vars in;
  for (ir::Value v : n.inputs) in.push_back(emitter.var(v));
  ir::Vars out = n.op->body(ir::Call(*n.op, n.attrs.data(), in));
  g.set_origin(0, 0);
  invariant(out.size() == n.outputs.size(),
            "a body has another number of results than its type rule");
  for (uint32_t i = 0; i < out.size(); ++i) {
    ir::Value v = GraphEmitter::value(out[i]);
    invariant(same_type(g.type(v), n.outputs[i]), "a body has another type than its type rule");
    g.replace_uses({id, i}, v);
  }
}

}  // namespace

bool decompose(Graph& g, const PassContext&) {
  std::vector<NodeId> replaced;
  std::vector<NodeId> open;  // replaced nodes that the walk has not passed yet, innermost last
  for (NodeId id = g.first(); id != ir::kNoNode;) {
    if (!open.empty() && open.back() == id) {
      open.pop_back();
      id = g.node(id).next;
      continue;
    }
    if (g.node(id).op->kind != ir::OpKind::Composite) {
      id = g.node(id).next;
      continue;
    }
    // Goes on with the first node of the body, which may hold composites itself.
    NodeId before = g.node(id).prev;
    expand_node(g, id);
    open.push_back(id);
    replaced.push_back(id);
    id = before == ir::kNoNode ? g.first() : g.node(before).next;
  }
  for (size_t i = replaced.size(); i-- > 0;) g.erase(replaced[i]);
  return !replaced.empty();
}

}  // namespace etch::passes
