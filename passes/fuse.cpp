#include "passes/fuse.h"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "ir/loop/lower.h"
#include "ir/ops/create.h"

namespace etch::passes {

using namespace etch::ir;

namespace {

constexpr int kNoGroup = -1;
constexpr int kCheapCost = 3;
constexpr int kFunctionCost = 8;
constexpr size_t kLongSearch = 1000;  // nodes

class Fuser {
 public:
  explicit Fuser(Graph& g) : g_(g) {}

  bool run() {
    number_nodes();
    for (NodeId id : order_) {
      if (is_member_kind(id)) grow(id);
    }
    bool changed = false;
    for (std::vector<NodeId>& members : groups_) changed = extract(members) || changed;
    if (changed) {
      drop_dead_copies();
      restore_order();
    }
    return changed;
  }

 private:
  struct Body {
    std::shared_ptr<Graph> graph = std::make_shared<Graph>();
    std::vector<Value> operands;
    std::vector<Value> results;  // values of g_
    size_t nodes = 0;            // without inputs and single numbers
  };

  void number_nodes() {
    position_.assign(g_.capacity(), 0);
    group_.assign(g_.capacity(), kNoGroup);
    seen_in_.assign(g_.capacity(), 0);
    for (NodeId id : g_) {
      position_[id] = order_.size();
      order_.push_back(id);
    }
    is_result_.assign(g_.capacity(), false);
    for (const GraphResult& r : g_.results()) is_result_[r.value.node] = true;
  }

  bool is_member_kind(NodeId id) const {
    OpKind k = g_.node(id).op->kind;
    return k == OpKind::Elementwise || k == OpKind::Reduction;
  }
  /// Copied into every group that reads it.
  bool is_copied(NodeId id) const {
    const Node& n = g_.node(id);
    if (n.op->is_view()) return true;
    if (is_constant(n)) return shape_numel(n.outputs[0].shape).is(1);
    return n.op == &op_def<Full>() || n.op == &op_def<DimValue>() || n.op == &op_def<Arange>();
  }
  /// The value that `v` is a window on.
  Value source(Value v) const {
    while (g_.node(v.node).op->is_view()) v = g_.node(v.node).inputs[0];
    return v;
  }

  /// Operations of one element, functions counted several times.
  int cost(NodeId id) {
    const Node& n = g_.node(id);
    if (n.op->scalar == nullptr) return 1;
    ExprGraph scalar;
    std::vector<Expr> args;
    for (Value v : n.inputs) {
      args.push_back(scalar.arg(g_.type(v).dtype, static_cast<uint32_t>(args.size())));
    }
    n.op->scalar(n.attrs.data(), args);
    int sum = 0;
    for (const ExprNode& e : scalar.nodes()) {
      if (!is_leaf(e.op)) sum += is_func(e.op) ? kFunctionCost : 1;
    }
    return sum;
  }

  size_t reductions(const std::vector<NodeId>& members) const {
    return static_cast<size_t>(std::count_if(members.begin(), members.end(), [&](NodeId id) {
      return g_.node(id).op->kind == OpKind::Reduction;
    }));
  }

  /// Opens a group for `id`, then draws in the groups of its producers, the largest first.
  void grow(NodeId id) {
    int own = static_cast<int>(groups_.size());
    groups_.push_back({id});
    group_[id] = own;
    std::vector<NodeId> producers;
    for (Value v : g_.node(id).inputs) {
      NodeId p = source(v).node;
      if (group_[p] != kNoGroup) producers.push_back(p);
    }
    std::stable_sort(producers.begin(), producers.end(),
                     [&](NodeId a, NodeId b) { return position_[a] > position_[b]; });
    for (NodeId p : producers) {
      int other = group_[p];
      if (other != own && !groups_[static_cast<size_t>(other)].empty())
        try_merge(other, own, p, id);
    }
  }

  void try_merge(int producer, int own, NodeId from, NodeId to) {
    const std::vector<NodeId>& a = groups_[static_cast<size_t>(producer)];
    const std::vector<NodeId>& b = groups_[static_cast<size_t>(own)];
    if (a.size() + b.size() > kFuseOperators) return;
    if (reductions(a) + reductions(b) > kFuseReductions) return;
    if (!worth_repeating(a, from, to) || makes_cycle(producer, own)) return;
    std::vector<NodeId> merged(a.size() + b.size());
    std::merge(a.begin(), a.end(), b.begin(), b.end(), merged.begin(),
               [&](NodeId x, NodeId y) { return position_[x] < position_[y]; });
    Body body = make_body(merged);
    if (body.operands.size() + body.results.size() > kFuseOperands) return;
    if (!loop::lower(*body.graph).kernel) return;
    for (NodeId id : a) group_[id] = own;
    groups_[static_cast<size_t>(producer)].clear();
    groups_[static_cast<size_t>(own)] = std::move(merged);
  }

  /// A smaller producer that is broadcast is computed for every element again: only if that is
  /// cheap. After a reduction it is computed once per row.
  bool worth_repeating(const std::vector<NodeId>& producer, NodeId from, NodeId to) {
    const Node& n = g_.node(to);
    const Shape& space =
        n.op->kind == OpKind::Reduction ? g_.type(n.inputs[0]).shape : n.outputs[0].shape;
    Dim made = shape_numel(g_.node(from).outputs[0].shape), read = shape_numel(space);
    if (dim_equal(made, read) == Truth::Yes || reductions(producer) != 0) return true;
    int sum = 0;
    for (NodeId id : producer) sum += cost(id);
    return sum <= kCheapCost;
  }

  /// The latest position up to `at` that no group straddles: nothing before it can lead to anything
  /// after. Later groups end later, so that the first one which ends before it is the last to look
  /// at.
  size_t horizon(size_t at) const {
    for (size_t i = groups_.size(); i-- > 0;) {
      const std::vector<NodeId>& m = groups_[i];
      if (m.empty()) continue;
      if (position_[m.back()] < at) break;
      at = std::min(at, position_[m.front()]);
    }
    return at;
  }

  /// Whether a value leaves `producer` and comes back to `own` through something outside both. So
  /// it is assumed after a long search.
  bool makes_cycle(int producer, int own) {
    const size_t first = horizon(position_[groups_[static_cast<size_t>(producer)].front()]);
    ++search_;
    std::vector<NodeId> stack;
    std::unordered_set<int> seen_groups{producer, own};
    size_t seen = 0;
    auto push_operands = [&](NodeId id, bool through_views) {
      for (Value v : g_.node(id).inputs) {
        NodeId p = through_views ? source(v).node : v.node;
        if (through_views && (group_[p] == producer || group_[p] == own)) continue;
        if (position_[p] < first || seen_in_[p] == search_) continue;
        seen_in_[p] = search_;
        ++seen;
        stack.push_back(p);
      }
    };
    for (int side : {producer, own}) {
      for (NodeId id : groups_[static_cast<size_t>(side)]) push_operands(id, true);
    }
    while (!stack.empty()) {
      if (seen > kLongSearch) return true;
      NodeId id = stack.back();
      stack.pop_back();
      int group = group_[id];
      if (group == producer || group == own) return true;
      if (group == kNoGroup) {
        push_operands(id, false);
      } else if (seen_groups.insert(group).second) {
        for (NodeId member : groups_[static_cast<size_t>(group)]) {
          push_operands(member, false);
        }
      }
    }
    return false;
  }

  /// Whether something outside `members` reads v, directly or through views.
  bool read_outside(Value v, const std::unordered_set<NodeId>& members) const {
    std::vector<Value> stack{v};
    while (!stack.empty()) {
      Value at = stack.back();
      stack.pop_back();
      if (is_result_[at.node]) return true;
      for (const Use& u : g_.node(at.node).uses) {
        if (!(g_.node(u.user).inputs[u.operand] == at) || members.contains(u.user)) continue;
        if (!g_.node(u.user).op->is_view()) return true;
        stack.push_back({u.user, 0});
      }
    }
    return false;
  }

  Body make_body(const std::vector<NodeId>& members) const {
    Body out;
    out.graph->assume_sizes(g_);
    std::unordered_set<NodeId> inside(members.begin(), members.end());
    std::unordered_map<Value, Value, ValueHash> map;
    // Inputs come before all other nodes: collect them first.
    std::vector<Value> stack;
    std::vector<NodeId> copies;
    std::unordered_set<NodeId> seen;
    for (NodeId id : members) {
      for (Value first : g_.node(id).inputs) {
        stack.push_back(first);
        while (!stack.empty()) {
          Value v = stack.back();
          stack.pop_back();
          if (inside.contains(v.node)) continue;
          if (is_copied(v.node)) {
            if (!seen.insert(v.node).second) continue;
            copies.push_back(v.node);
            for (Value in : g_.node(v.node).inputs) stack.push_back(in);
          } else if (!map.contains(v)) {
            map[v] = out.graph->add_input(cat("x", out.operands.size()), g_.type(v));
            out.operands.push_back(v);
          }
        }
      }
    }
    std::vector<NodeId> nodes = members;
    nodes.insert(nodes.end(), copies.begin(), copies.end());
    std::sort(nodes.begin(), nodes.end(),
              [&](NodeId a, NodeId b) { return position_[a] < position_[b]; });
    for (NodeId id : nodes) {
      const Node& n = g_.node(id);
      NodeId copy = kNoNode;
      if (is_constant(n)) {
        copy = out.graph->add_constant(n.constant).node;
      } else {
        SmallVec<Value, 4> inputs;
        for (Value v : n.inputs) inputs.push_back(map.at(v));
        copy = out.graph->add_node(*n.op, inputs, n.attrs, n.outputs);
        out.nodes += n.inputs.empty() ? 0 : 1;
      }
      out.graph->copy_origin(copy, g_, id);
      map[{id, 0}] = {copy, 0};
    }
    for (NodeId id : members) {
      Value v{id, 0};
      if (!read_outside(v, inside)) continue;
      out.graph->add_result(map.at(v), cat("y", out.results.size()));
      out.results.push_back(v);
    }
    return out;
  }

  bool extract(const std::vector<NodeId>& members) {
    if (members.empty()) return false;
    Body body = make_body(members);
    if (body.nodes < 2 || body.results.empty()) return false;
    if (members.size() == 1 && !loop::lower(*body.graph).kernel) return false;
    NodeId last = members.back();
    NodeId fusion = g_.add_fusion(body.graph, body.operands, g_.node(last).next);
    g_.copy_origin(fusion, g_, last);
    for (uint32_t i = 0; i < body.results.size(); ++i) {
      g_.replace_uses(body.results[i], {fusion, i});
    }
    for (size_t i = members.size(); i-- > 0;) {
      drop_views_of(members[i]);
      g_.erase(members[i]);
    }
    return true;
  }

  /// Views that only members read are dead once those are gone.
  void drop_views_of(NodeId id) {
    std::vector<NodeId> stack{id};
    while (!stack.empty()) {
      NodeId at = stack.back();
      bool waiting = false;
      for (const Use& u : g_.node(at).uses) {
        if (g_.node(u.user).op->is_view()) {
          stack.push_back(u.user);
          waiting = true;
          break;
        }
      }
      if (waiting) continue;
      stack.pop_back();
      if (at != id) {
        invariant(g_.node(at).uses.empty(), "a view of a fused value is still read");
        g_.erase(at);
      }
    }
  }

  void drop_dead_copies() {
    for (size_t i = order_.size(); i-- > 0;) {
      NodeId id = order_[i];
      const Node& n = g_.node(id);
      if (n.erased() || is_input(n) || !n.uses.empty() || !is_copied(id)) continue;
      if (!is_result_[id]) g_.erase(id);
    }
  }

  /// Operands before users again, otherwise in the old order.
  void restore_order() {
    std::vector<NodeId> now;
    std::vector<size_t> rank(g_.capacity()), waiting(g_.capacity());
    for (NodeId id : g_) {
      rank[id] = now.size();
      now.push_back(id);
      waiting[id] = g_.node(id).inputs.size();
    }
    auto later = [&](NodeId a, NodeId b) { return rank[a] > rank[b]; };
    std::priority_queue<NodeId, std::vector<NodeId>, decltype(later)> ready(later);
    for (NodeId id : now) {
      if (waiting[id] == 0) ready.push(id);
    }
    std::vector<NodeId> sorted;
    while (!ready.empty()) {
      NodeId id = ready.top();
      ready.pop();
      sorted.push_back(id);
      for (const Use& u : g_.node(id).uses) {
        if (--waiting[u.user] == 0) ready.push(u.user);
      }
    }
    invariant(sorted.size() == now.size(), "fusion made a cycle");
    for (NodeId id : sorted) {
      if (!is_input(g_.node(id))) g_.move_to_end(id);
    }
  }

  Graph& g_;
  std::vector<NodeId> order_;
  std::vector<size_t> position_;
  std::vector<int> group_;
  std::vector<uint32_t> seen_in_;  // the latest search that saw a node
  uint32_t search_ = 0;
  std::vector<bool> is_result_;
  std::vector<std::vector<NodeId>> groups_;  // members in order; empty once merged away
};

}  // namespace

bool fuse(Graph& g, const PassContext&) { return Fuser(g).run(); }

}  // namespace etch::passes
