#include "passes/cse.h"

#include <cstring>
#include <unordered_set>

namespace etch::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::Value;

uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 32);
}

bool swapped(Value a, Value b) { return a.node != b.node ? b.node < a.node : b.index < a.index; }

/// Operands in the order that equality compares; at most two change places.
SmallVec<Value, 4> ordered_inputs(const Node& n) {
  SmallVec<Value, 4> in = n.inputs;
  if (n.op->info.commutative && in.size() == 2 && swapped(in[0], in[1])) std::swap(in[0], in[1]);
  return in;
}

uint64_t hash_node(const Node& n) {
  uint64_t h = mix(reinterpret_cast<uintptr_t>(n.op), n.attrs.hash());
  for (Value v : ordered_inputs(n)) h = mix(h, ir::ValueHash{}(v));
  if (n.constant) h = mix(mix(h, n.constant->hash.lo), n.constant->bytes);
  return mix(h, reinterpret_cast<uintptr_t>(n.body.get()));
}

/// By contents: a hash can be forged.
bool same_constant(const ir::Constant* a, const ir::Constant* b) {
  if (a == b) return true;
  return a != nullptr && b != nullptr && a->dtype == b->dtype && a->sizes == b->sizes &&
         a->hash == b->hash && a->bytes == b->bytes &&
         std::memcmp(a->data.get(), b->data.get(), a->bytes) == 0;
}

bool same_node(const Node& a, const Node& b) {
  return a.op == b.op && a.body == b.body && a.attrs == b.attrs &&
         ordered_inputs(a) == ordered_inputs(b) &&
         same_constant(a.constant.get(), b.constant.get());
}

/// Nodes seen so far, found by what they compute.
class NodeSet {
 public:
  explicit NodeSet(const Graph& g)
      : g_(g), hashes_(g.capacity()), set_(g.size(), Hash{this}, Equal{this}) {}
  /// The node equal to `id` that came first; `id` itself when it is new.
  NodeId find_or_add(NodeId id) {
    hashes_[id] = hash_node(g_.node(id));
    return *set_.insert(id).first;
  }

 private:
  struct Hash {
    const NodeSet* s;
    size_t operator()(NodeId id) const { return s->hashes_[id]; }
  };
  struct Equal {
    const NodeSet* s;
    bool operator()(NodeId a, NodeId b) const {
      return s->hashes_[a] == s->hashes_[b] && same_node(s->g_.node(a), s->g_.node(b));
    }
  };
  const Graph& g_;
  std::vector<uint64_t> hashes_;
  std::unordered_set<NodeId, Hash, Equal> set_;
};

/// Results are left to the end: replace_uses() looks through all of them.
void merge(Graph& g, NodeId kept, NodeId extra) {
  if (g.node(kept).loc == 0 && g.node(kept).scope == 0) g.copy_origin(kept, g, extra);
  const std::vector<ir::Use> uses = g.node(extra).uses;
  for (size_t i = uses.size(); i-- > 0;) {
    const uint32_t result = g.node(uses[i].user).inputs[uses[i].operand].index;
    g.set_operand(uses[i].user, uses[i].operand, {kept, result});
  }
}

}  // namespace

bool cse(Graph& g, const PassContext&) {
  NodeSet seen(g);
  std::vector<NodeId> extras;
  std::vector<NodeId> kept(g.capacity(), ir::kNoNode);
  for (NodeId id : g) {
    if (is_input(g.node(id))) continue;
    NodeId first = seen.find_or_add(id);
    if (first == id) continue;
    merge(g, first, id);
    kept[id] = first;
    extras.push_back(id);
  }
  for (size_t i = 0; i < g.results().size(); ++i) {
    const Value v = g.results()[i].value;
    if (kept[v.node] != ir::kNoNode) g.set_result(i, {kept[v.node], v.index});
  }
  // Last first: use lists are searched from the end.
  for (size_t i = extras.size(); i-- > 0;) g.erase(extras[i]);
  return !extras.empty();
}

}  // namespace etch::passes
