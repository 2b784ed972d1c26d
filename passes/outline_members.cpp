#include "passes/outline_members.h"

#include <algorithm>
#include <cstring>

namespace etch::passes {

using namespace etch::ir;

namespace {

constexpr size_t kSmallConstant = 128;  // bytes of one that is moved into a piece
constexpr uint32_t kLongestChain = 16;  // views moved into a piece

uint64_t mix_pointer(uint64_t h, const void* p) { return mix(h, reinterpret_cast<uintptr_t>(p)); }
uint64_t mix_type(uint64_t h, const TensorType& t) {
  h = mix(h, static_cast<uint64_t>(t.dtype) * 16 + t.shape.size());
  for (Dim d : t.shape) h = mix(h, d.raw());
  return h;
}

bool same_types(const Types& a, const Types& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const TensorType& x, const TensorType& y) { return same_type(x, y); });
}
bool same_contents(const Constant* a, const Constant* b) {
  if (a == b) return true;
  return a != nullptr && b != nullptr && a->dtype == b->dtype && a->sizes == b->sizes &&
         a->bytes == b->bytes && std::memcmp(a->data.get(), b->data.get(), a->bytes) == 0;
}

}  // namespace

uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 32);
}

bool one_element(const TensorType& t) { return shape_numel(t.shape).is(1); }

Members::Members(const Graph& g) : g_(g) {
  mark_needed();
  number();
  classify();
}

void Members::mark_needed() {
  needed_.assign(g_.capacity(), false);
  for (const GraphResult& r : g_.results()) needed_[r.value.node] = true;
  for (NodeId id = g_.last(); id != kNoNode; id = g_.node(id).prev) {
    if (!needed_[id]) continue;
    for (Value v : g_.node(id).inputs) needed_[v.node] = true;
  }
}

/// What is computed twice counts as the first: repetition that shares something looks alike.
void Members::number() {
  size_t slots = 16;
  while (slots < 2 * g_.size()) slots *= 2;
  std::vector<NodeId> table(slots, kNoNode);
  std::vector<uint64_t> hashes(g_.capacity());
  attr_hash_.assign(g_.capacity(), 0);
  first_.assign(g_.capacity(), kNoNode);
  for (NodeId id : g_) {
    first_[id] = id;
    const Node& n = g_.node(id);
    if (!needed_[id] || is_input(n)) continue;
    attr_hash_[id] = n.attrs.hash();
    uint64_t h = mix_pointer(mix_pointer(attr_hash_[id], n.op), n.body.get());
    for (Value v : n.inputs) h = mix(h, ValueHash{}(first(v)));
    if (n.constant) h = mix(mix(h, n.constant->hash.lo), n.constant->bytes);
    hashes[id] = h;
    size_t at = h & (slots - 1);
    while (table[at] != kNoNode && !(hashes[table[at]] == h && same_node(table[at], id))) {
      at = (at + 1) & (slots - 1);
    }
    if (table[at] == kNoNode) table[at] = id;
    first_[id] = table[at];
  }
}
bool Members::same_node(NodeId a, NodeId b) const {
  const Node &m = g_.node(a), &n = g_.node(b);
  return m.op == n.op && m.body == n.body && m.attrs == n.attrs &&
         std::equal(m.inputs.begin(), m.inputs.end(), n.inputs.begin(), n.inputs.end(),
                    [&](Value x, Value y) { return first(x) == first(y); }) &&
         same_contents(m.constant.get(), n.constant.get());
}

void Members::classify() {
  const size_t count = g_.capacity();
  role_.assign(count, Role::Given);
  base_.assign(count, {});
  chain_.assign(count, 0);
  chain_hash_.assign(count, 0);
  position_.assign(count, 0);
  for (NodeId id : g_) {
    if (!counts(id)) continue;
    const Node& n = g_.node(id);
    role_[id] = role_of(n);
    if (role_[id] == Role::Window) {
      const Value from = first(n.inputs[0]);
      base_[id] = base(from);
      chain_[id] = chain_[from.node] + 1;
      chain_hash_[id] = mix_type(mix(mix_pointer(chain_hash_[from.node] + 1, n.op), attr_hash_[id]),
                                 n.outputs[0]);
    }
    if (role_[id] != Role::Member) continue;
    position_[id] = sequence.size();
    sequence.push_back(id);
    signatures.push_back(signature(id, n));
  }
}

Role Members::role_of(const Node& n) const {
  if (is_input(n)) return Role::Given;
  if (is_constant(n)) {
    return n.constant->bytes > kSmallConstant ? Role::Given : Role::Leaf;
  }
  if (n.inputs.empty()) return Role::Leaf;
  const NodeId from = first(n.inputs[0]).node;
  if (n.op->is_view() && chain_[from] < kLongestChain) return Role::Window;
  const bool numbers = std::all_of(n.inputs.begin(), n.inputs.end(), [&](Value v) {
    const NodeId source = base(v).node;
    if (is_input(g_.node(source))) return one_element(g_.type(base(v)));
    return role_[source] != Role::Member;
  });
  return numbers ? Role::Given : Role::Member;
}

uint64_t Members::signature(NodeId id, const Node& n) const {
  if (n.outputs.size() > kMostResults) return mix(0x5eed, id);
  uint64_t h = mix(mix_pointer(n.loc, n.op), attr_hash_[id]);
  h = mix_pointer(h, n.body.get());
  for (const TensorType& t : n.outputs) h = mix_type(h, t);
  for (Value v : n.inputs) {
    const Value b = base(v);
    h = mix(h, chain_hash_[first_[v.node]]);
    h = mix_type(h, g_.type(b));
    if (role_[b.node] == Role::Leaf) h = mix_pointer(h, g_.node(b.node).op);
  }
  return h;
}

uint64_t Members::leaf_hash(NodeId id) const {
  const Node& n = g_.node(id);
  const uint64_t h = mix_pointer(attr_hash_[id], n.op);
  return n.constant == nullptr ? h : mix(h, n.constant->hash.lo);
}
bool Members::same_leaf(NodeId a, NodeId b) const {
  const Node &m = g_.node(a), &n = g_.node(b);
  return m.op == n.op && m.attrs == n.attrs && same_types(m.outputs, n.outputs) &&
         same_contents(m.constant.get(), n.constant.get());
}

bool Members::same_window(Value a, Value b) const {
  a = first(a);
  b = first(b);
  for (; role_[a.node] == Role::Window && role_[b.node] == Role::Window;
       a = first(g_.node(a.node).inputs[0]), b = first(g_.node(b.node).inputs[0])) {
    if (a == b) return true;
    const Node &m = g_.node(a.node), &n = g_.node(b.node);
    if (m.op != n.op || !(m.attrs == n.attrs) || !same_types(m.outputs, n.outputs)) return false;
  }
  return (role_[a.node] == Role::Leaf) == (role_[b.node] == Role::Leaf) &&
         same_type(g_.type(a), g_.type(b));
}

bool Members::same_member(const Node& m, const Node& n) const {
  return m.op == n.op && m.loc == n.loc && m.body == n.body && m.attrs == n.attrs &&
         same_types(m.outputs, n.outputs) && m.inputs.size() == n.inputs.size();
}

}  // namespace etch::passes
