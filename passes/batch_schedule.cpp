#include "passes/batch_schedule.h"

#include <algorithm>
#include <queue>
#include <unordered_set>

#include "ir/ops/view.h"
#include "passes/batch_rules.h"

namespace etch::passes {

using namespace etch::ir;

namespace {

uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 32);
}

uint64_t mix_type(uint64_t h, const TensorType& t) {
  h = mix(h, static_cast<uint64_t>(t.dtype));
  for (Dim d : t.shape) h = mix(h, d.raw());
  return mix(h, t.shape.size());
}

/// What describes a node goes back over at most this many operators.
constexpr uint32_t kMaxAge = 24;
/// Operands that are looked at one by one; more have only concats.
constexpr size_t kFewOperands = 4;
/// Views of views that are looked through.
constexpr int kFewViews = 4;

/// Says which nodes are alike, by a number each. Two that are not may get the same one by chance,
/// so whoever relies on it compares.
class Kinds {
 public:
  explicit Kinds(const Graph& g) : g_(g), nodes_(g.capacity()) {
    for (NodeId id : g) look(id);
    leave_to_readers();
    for (NodeId id : g) {
      if (nodes_[id].usable) count_operands(id);
    }
    for (NodeId id : g) describe(id);
  }
  /// 0: like no other.
  uint64_t kind(NodeId id) const { return nodes_[id].kind; }
  uint32_t depth(NodeId id) const { return nodes_[id].depth; }

 private:
  struct Info {
    uint64_t plain = 0;  // hash of operator, attributes and operand types
    uint64_t kind = 0;
    uint32_t depth = 0;  // nodes on the longest way from an input
    uint32_t level = 0;  // barriers on the way with most of them
    uint32_t age = 0;    // nodes that `kind` describes
    bool usable = false;
    bool feeds_barrier = false;
  };

  bool is_barrier(const Node& n) const {
    return n.op->kind == OpKind::Contraction || n.op->kind == OpKind::Opaque;
  }

  void look(NodeId id) {
    const Node& n = g_.node(id);
    Info& info = nodes_[id];
    info.usable = has_batch_rule(g_, n) && is_small(g_, n);
    bool barrier = is_barrier(n);
    info.level = barrier && !n.inputs.empty() ? 1 : 0;
    for (Value v : n.inputs) {
      Info& in = nodes_[v.node];
      info.depth = std::max(info.depth, in.depth + 1);
      info.level = std::max(info.level, in.level + (barrier ? 1 : 0));
      in.feeds_barrier |= barrier;
    }
    if (!info.usable) return;
    uint64_t h = mix(reinterpret_cast<uintptr_t>(n.op), n.attrs.hash());
    for (Value v : n.inputs) h = mix_type(h, g_.type(v));
    // What reports a bad index names its line.
    if (n.op->typed_to < static_cast<int>(n.inputs.size())) h = mix(h, n.loc);
    info.plain = h;
    ++alike_[h];
  }

  /// What only one elementwise operator reads that stays alone is computed with it.
  void leave_to_readers() {
    std::unordered_set<NodeId> results;
    for (const GraphResult& r : g_.results()) results.insert(r.value.node);
    for (NodeId id = g_.last(); id != kNoNode; id = g_.node(id).prev) {
      const Node& n = g_.node(id);
      if (!nodes_[id].usable || !n.op->is_elementwise() || results.contains(id)) continue;
      if (n.uses.size() != 1) continue;
      NodeId reader = n.uses.front().user;
      if (!g_.node(reader).op->is_elementwise() || nodes_[reader].usable) continue;
      nodes_[id].usable = false;
      --alike_[nodes_[id].plain];
    }
  }

  static uint64_t operand_key(uint64_t plain, size_t i, Value v) {
    return mix(mix(plain, i), ValueHash{}(v));
  }
  /// How often a value stands at a place of alike nodes. Only values that nothing computes by
  /// barriers count: parameters and what is made of them.
  void count_operands(NodeId id) {
    const Node& n = g_.node(id);
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      Value v = n.inputs[i];
      if (nodes_[v.node].level == 0) ++readers_[operand_key(nodes_[id].plain, i, v)];
    }
  }

  /// Operand i is the same value in all nodes alike: one of the two or more that most often is.
  bool is_shared(NodeId id, size_t i) const {
    const Node& n = g_.node(id);
    uint32_t own = 0, most = 0;
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      auto it = readers_.find(operand_key(nodes_[id].plain, k, n.inputs[k]));
      uint32_t count = it == readers_.end() ? 0 : it->second;
      if (k == i) own = count;
      most = std::max(most, count);
    }
    return own >= 2 && own == most;
  }

  bool is_alone(NodeId id) const {
    const Info& info = nodes_[id];
    return !info.usable || alike_.at(info.plain) < 2;
  }
  /// A part of an input: which one says nothing about what is done with it.
  bool is_part_of_input(NodeId id) const {
    const Node& n = g_.node(id);
    return n.op->is_view() && g_.node(n.inputs[0].node).inputs.empty();
  }
  /// A window on a product, such as one child's part of the gradient of both.
  bool is_part_of_product(NodeId id) const {
    int views = 0;
    for (; views < kFewViews && g_.node(id).op->is_view(); ++views) id = g_.node(id).inputs[0].node;
    return views != 0 && g_.node(id).op->kind == OpKind::Contraction;
  }
  /// What an operand from another cell of a network is made by does not matter: a tree's leaf is as
  /// good a child as an inner node. Such values feed barriers, or come from before this cell's own
  /// and have readers in their own.
  bool from_elsewhere(const Info& at, NodeId v) const {
    const Info& in = nodes_[v];
    if (is_alone(v) || is_part_of_input(v) || is_part_of_product(v)) return true;
    if (in.feeds_barrier && !is_barrier(g_.node(v))) return true;
    return in.level < at.level && g_.node(v).uses.size() >= 2;
  }

  void describe(NodeId id) {
    Info& info = nodes_[id];
    if (is_alone(id)) return;
    const Node& n = g_.node(id);
    const bool plain = is_barrier(n), few = n.inputs.size() <= kFewOperands;
    uint64_t h = info.plain;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      Value v = n.inputs[i];
      if (few) {  // which of them are the same value
        size_t same = 0;
        while (!(n.inputs[same] == v)) ++same;
        h = mix(h, same);
      }
      if (few && is_shared(id, i)) {
        h = mix(h, mix(ValueHash{}(v), 1));
      } else if (!plain && !from_elsewhere(info, v.node) && nodes_[v.node].age < kMaxAge) {
        h = mix(h, nodes_[v.node].kind);
        info.age = std::max(info.age, nodes_[v.node].age + 1);
      }
    }
    info.kind = h == 0 ? 1 : h;
  }

  const Graph& g_;
  std::vector<Info> nodes_;
  std::unordered_map<uint64_t, uint32_t> alike_, readers_;
};

/// Numbers the strongly connected components of a graph such that edges lead to equal or higher
/// numbers.
class Components {
 public:
  Components(const std::vector<std::vector<uint32_t>>& from) : from_(from), of(from.size(), kNone) {
    index_.assign(from.size(), kNone);
    low_.assign(from.size(), 0);
    for (uint32_t at = 0; at < from.size(); ++at) {
      if (index_[at] == kNone) visit(at);
    }
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  const std::vector<std::vector<uint32_t>>& from_;

 public:
  std::vector<uint32_t> of;

 private:
  /// Tarjan's algorithm with a stack of its own. Along edges to what a vertex needs, components are
  /// finished in the order wanted.
  void visit(uint32_t root) {
    std::vector<std::pair<uint32_t, size_t>> calls{{root, 0}};
    open(root);
    while (!calls.empty()) {
      auto& [at, next] = calls.back();
      if (next < from_[at].size()) {
        uint32_t to = from_[at][next++];
        if (index_[to] == kNone) {
          open(to);
          calls.push_back({to, 0});
        } else if (of[to] == kNone) {
          low_[at] = std::min(low_[at], index_[to]);
        }
        continue;
      }
      uint32_t done = at;
      calls.pop_back();
      if (!calls.empty()) low_[calls.back().first] = std::min(low_[calls.back().first], low_[done]);
      if (low_[done] == index_[done]) close(done);
    }
  }
  void open(uint32_t at) {
    index_[at] = low_[at] = count_++;
    stack_.push_back(at);
  }
  void close(uint32_t root) {
    for (;;) {
      uint32_t at = stack_.back();
      stack_.pop_back();
      of[at] = components_;
      if (at == root) break;
    }
    ++components_;
  }

  std::vector<uint32_t> index_, low_, stack_;
  uint32_t count_ = 0, components_ = 0;
};

class Scheduler {
 public:
  explicit Scheduler(const Graph& g) : g_(g), kinds_(g), kind_(g.capacity()) {}

  std::vector<BatchGroup> run() {
    number_kinds();
    find_components();
    std::vector<size_t> waiting(g_.capacity());
    for (NodeId id : g_) {
      waiting[id] = g_.node(id).inputs.size();
      if (waiting[id] == 0) push(id);
    }
    std::vector<BatchGroup> out;
    while (!queue_.empty()) {
      uint32_t kind = queue_.top().kind;
      queue_.pop();
      if (ready_[kind].empty()) continue;
      BatchGroup& group = out.emplace_back();
      group.recurs = recurs_[kind];
      std::swap(group.members, ready_[kind]);
      for (NodeId id : group.members) {
        for (const Use& u : g_.node(id).uses) {
          if (--waiting[u.user] == 0) push(u.user);
        }
      }
    }
    return out;
  }

 private:
  /// What is next: components in order, in one the shallowest node.
  struct Entry {
    uint32_t component, depth, kind;
    bool operator>(const Entry& o) const {
      return std::tie(component, depth, kind) > std::tie(o.component, o.depth, o.kind);
    }
  };

  void number_kinds() {
    std::unordered_map<uint64_t, uint32_t> numbers;
    for (NodeId id : g_) {
      uint64_t k = kinds_.kind(id);
      if (k == 0) {
        kind_[id] = count_++;
        continue;
      }
      auto [it, fresh] = numbers.try_emplace(k, count_);
      if (fresh) ++count_;
      kind_[id] = it->second;
    }
    ready_.resize(count_);
  }

  void find_components() {
    std::vector<std::vector<uint32_t>> needs(count_);
    std::vector<bool> self(count_);
    for (NodeId id : g_) {
      std::vector<uint32_t>& list = needs[kind_[id]];
      for (Value v : g_.node(id).inputs) {
        uint32_t k = kind_[v.node];
        if (k == kind_[id]) self[k] = true;
        if (list.empty() || list.back() != k) list.push_back(k);
      }
    }
    component_ = Components(needs).of;
    std::vector<uint32_t> size(count_);
    for (uint32_t c : component_) ++size[c];
    recurs_.resize(count_);
    for (uint32_t k = 0; k < count_; ++k) recurs_[k] = self[k] || size[component_[k]] > 1;
  }

  void push(NodeId id) {
    uint32_t k = kind_[id];
    ready_[k].push_back(id);
    queue_.push({component_[k], kinds_.depth(id), k});
  }

  const Graph& g_;
  Kinds kinds_;
  std::vector<uint32_t> kind_;       // per node
  std::vector<uint32_t> component_;  // per kind, as are the following
  std::vector<bool> recurs_;
  std::vector<std::vector<NodeId>> ready_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  uint32_t count_ = 0;
};

}  // namespace

std::vector<BatchGroup> batch_schedule(const Graph& g) { return Scheduler(g).run(); }

}  // namespace etch::passes
