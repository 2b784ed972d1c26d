#include "passes/order.h"

namespace etch::passes {

using ir::NodeId;

void operands_first(ir::Graph& g) {
  std::vector<NodeId> now, sorted;
  for (NodeId id : g) now.push_back(id);
  std::vector<bool> placed(g.capacity());
  std::vector<std::pair<NodeId, uint32_t>> open;  // a node and its next operand to look at
  for (NodeId root : now) {
    if (placed[root]) continue;
    open.push_back({root, 0});
    while (!open.empty()) {
      auto& [id, next] = open.back();
      const ir::Node& n = g.node(id);
      if (!placed[id] && next < n.inputs.size()) {
        NodeId operand = n.inputs[next++].node;
        if (!placed[operand]) open.push_back({operand, 0});
        continue;
      }
      if (!placed[id]) sorted.push_back(id);
      placed[id] = true;
      open.pop_back();
    }
  }
  for (NodeId id : sorted) {
    if (!is_input(g.node(id))) g.move_to_end(id);
  }
}

}  // namespace etch::passes
