#include <set>

#include "ir/text.h"

namespace etch::ir {
namespace {

bool same_constant(const Constant* a, const Constant* b) {
  if (a == b) return true;
  return a != nullptr && b != nullptr && a->dtype == b->dtype && a->sizes == b->sizes &&
         a->bytes == b->bytes && std::memcmp(a->data.get(), b->data.get(), a->bytes) == 0;
}

/// Compares one pair of graphs; pairs of bodies are left in `todo` for the caller, so that nothing
/// recurses.
class Comparison {
 public:
  using Pair = std::pair<const Graph*, const Graph*>;
  Comparison(const Graph& a, const Graph& b, std::vector<Pair>& todo) : a_(a), b_(b), todo_(todo) {}

  bool run() {
    if (a_.name != b_.name || a_.size() != b_.size() || !same_symbols() || !same_constraints()) {
      return false;
    }
    partner_.assign(a_.capacity(), kNoNode);
    NodeId other = b_.first();
    for (NodeId id : a_) {
      if (!same_node(id, other)) return false;
      partner_[id] = other;
      other = b_.node(other).next;
    }
    return same_inputs() && same_results();
  }

 private:
  bool same_value(Value x, Value y) const {
    return partner_[x.node] == y.node && x.index == y.index;
  }

  bool same_symbols() const {
    return std::equal(a_.symbols.begin(), a_.symbols.end(), b_.symbols.begin(), b_.symbols.end(),
                      [](const SymbolRange& x, const SymbolRange& y) {
                        return x.symbol.same_as(y.symbol) && x.low == y.low && x.high == y.high;
                      });
  }

  bool same_loc(uint32_t x, uint32_t y) const {
    const GraphLoc &l = a_.loc(x), &r = b_.loc(y);
    return l.file == r.file && l.line == r.line;
  }

  bool same_constraints() const {
    return std::equal(a_.constraints.begin(), a_.constraints.end(), b_.constraints.begin(),
                      b_.constraints.end(), [&](const Constraint& x, const Constraint& y) {
                        return x.lhs.same_as(y.lhs) && x.relation == y.relation &&
                               x.rhs.same_as(y.rhs) && same_loc(x.loc, y.loc);
                      });
  }

  bool same_node(NodeId x, NodeId y) {
    const Node& m = a_.node(x);
    const Node& n = b_.node(y);
    if (m.op != n.op || !(m.attrs == n.attrs)) return false;
    if (!same_constant(m.constant.get(), n.constant.get())) return false;
    if ((m.body == nullptr) != (n.body == nullptr)) return false;
    if (m.body != n.body) todo_.push_back({m.body.get(), n.body.get()});
    if (a_.scope(m.scope) != b_.scope(n.scope) || !same_loc(m.loc, n.loc)) return false;
    return std::equal(m.outputs.begin(), m.outputs.end(), n.outputs.begin(), n.outputs.end(),
                      [](auto& s, auto& t) { return same_type(s, t); }) &&
           std::equal(m.inputs.begin(), m.inputs.end(), n.inputs.begin(), n.inputs.end(),
                      [&](Value s, Value t) { return same_value(s, t); });
  }

  bool same_inputs() const {
    return std::equal(a_.inputs().begin(), a_.inputs().end(), b_.inputs().begin(),
                      b_.inputs().end(), [&](const GraphInput& x, const GraphInput& y) {
                        return same_value(x.value, y.value) && x.name == y.name && x.kind == y.kind;
                      });
  }

  bool same_results() const {
    return std::equal(a_.results().begin(), a_.results().end(), b_.results().begin(),
                      b_.results().end(), [&](const GraphResult& x, const GraphResult& y) {
                        const GraphLoc &l = a_.loc(x.loc), &r = b_.loc(y.loc);
                        return same_value(x.value, y.value) && x.name == y.name &&
                               x.state == y.state && x.guard == y.guard && l.file == r.file &&
                               l.line == r.line;
                      });
  }

  const Graph& a_;
  const Graph& b_;
  std::vector<Pair>& todo_;
  std::vector<NodeId> partner_;  // node of b_ for each node of a_
};

}  // namespace

bool same_graph(const Graph& a, const Graph& b) {
  std::vector<Comparison::Pair> todo{{&a, &b}};
  std::set<Comparison::Pair> seen;
  while (!todo.empty()) {
    auto pair = todo.back();
    todo.pop_back();
    if (!seen.insert(pair).second) continue;
    if (!Comparison(*pair.first, *pair.second, todo).run()) return false;
  }
  return true;
}

}  // namespace etch::ir
