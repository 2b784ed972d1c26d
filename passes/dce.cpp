#include "passes/dce.h"

namespace etch::passes {

bool dce(ir::Graph& g, const PassContext&) {
  std::vector<bool> is_result(g.capacity());
  for (const ir::GraphResult& r : g.results()) is_result[r.value.node] = true;
  bool changed = false;
  // Backwards, so that one sweep also finds the operands of what it removed.
  for (ir::NodeId id = g.last(); id != ir::kNoNode;) {
    const ir::Node& n = g.node(id);
    ir::NodeId previous = n.prev;
    if (n.uses.empty() && !is_result[id] && !is_input(n)) {
      g.erase(id);
      changed = true;
    }
    id = previous;
  }
  return changed;
}

}  // namespace etch::passes
