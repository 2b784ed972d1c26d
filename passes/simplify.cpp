#include "passes/simplify.h"

#include <unordered_map>

namespace etch::passes {
namespace {

using ir::Graph;
using ir::NodeId;
using ir::Value;

using RuleIndex = std::unordered_map<const ir::OpDef*, std::vector<const Rule*>>;

const RuleIndex& rules_by_op() {
  static const RuleIndex* index = [] {
    auto* made = new RuleIndex;  // lives as long as the process
    for (auto rules : {arithmetic_rules(), choice_rules(), view_rules()}) {
      for (const Rule& rule : rules) (*made)[&rule.op()].push_back(&rule);
    }
    return made;
  }();
  return *index;
}

/// A rule that needs a symbolic size decided does not apply.
Value apply(Graph& g, NodeId id, const Rule& rule) {
  try {
    Match match(g, id);
    return rule.apply(match);
  } catch (const UserError&) {
    return kNoMatch;
  }
}

/// Tries the rules of the node's operator; the first that answers replaces its result.
bool rewrite(Graph& g, NodeId id) {
  auto rules = rules_by_op().find(g.node(id).op);
  if (rules == rules_by_op().end()) return false;
  for (const Rule* rule : rules->second) {
    Value v = apply(g, id, *rule);
    if (!v.valid() || !same_type(g.type(v), g.node(id).outputs[0])) continue;
    g.replace_uses({id, 0}, v);
    return true;
  }
  return false;
}

bool sweep(Graph& g) {
  std::vector<bool> is_result(g.capacity());
  for (const ir::GraphResult& r : g.results()) is_result[r.value.node] = true;
  bool changed = false;
  for (NodeId id : g) {
    if (g.node(id).uses.empty() && !is_result[id]) continue;  // dead: nobody would notice
    if (g.node(id).op->is_elementwise()) changed |= drop_expand(g, id);
    changed |= rewrite(g, id);
  }
  return changed;
}

}  // namespace

bool simplify(Graph& g, const PassContext&) {
  // Operands are simplified before users, so one sweep does nearly everything; what rules emit is
  // looked at in the next. Every rule shrinks the graph or moves towards one form, so this ends;
  // the bound is for rules to come.
  constexpr int kMaxSweeps = 16;
  bool changed = false;
  for (int i = 0; i < kMaxSweeps && sweep(g); ++i) changed = true;
  return changed;
}

}  // namespace etch::passes
