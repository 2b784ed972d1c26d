#include "passes/batch.h"

#include <algorithm>
#include <unordered_set>

#include "ir/ops/index.h"
#include "passes/batch_rules.h"
#include "passes/batch_schedule.h"
#include "passes/dce.h"
#include "passes/order.h"

namespace etch::passes {

using namespace etch::ir;

namespace {

constexpr uint32_t kNone = ~uint32_t{0};
/// Operands of one concat.
constexpr size_t kMaxPieces = 4096;
/// Pieces up to which rows of several stacked values are joined one by one.
constexpr size_t kFewPieces = 64;

// What things cost, in launches of a kernel.
constexpr double kFusedOperator = 0.3;  // an operator that becomes part of a kernel
constexpr double kHandedOut = 0.5;      // one that is read by itself after all
constexpr double kPiece = 0.05;         // an operand of a concat
constexpr double kBytes = 1.0 / 4096;   // copied

class Batcher {
 public:
  Batcher(Graph& g, bool weigh)
      : g_(g), weigh_(weigh), home_(g.capacity()), height_(g.capacity()), position_(g.capacity()) {}

  bool run() {
    look();
    for (BatchGroup& group : batch_schedule(g_)) {
      if (group.members.size() > 1) plan(group);
    }
    decide();
    std::vector<NodeId> gone;
    for (Plan& p : plans_) {
      if (!p.accepted) continue;
      emit(p);
      gone.insert(gone.end(), p.members.begin(), p.members.end());
    }
    if (gone.empty()) return false;
    join_rows();
    join_scatters();
    for (NodeId id : gone) hand_out(id);
    // Last first: use lists are searched from the end.
    std::sort(gone.begin(), gone.end(),
              [&](NodeId a, NodeId b) { return position_[a] > position_[b]; });
    for (NodeId id : gone) g_.erase(id);
    operands_first(g_);
    return true;
  }

 private:
  /// Where a member's value is: a row of its plan's.
  struct Home {
    uint32_t plan = kNone;
    uint32_t row = 0;
  };
  struct Plan {
    std::vector<NodeId> members;  // in the order of rows
    std::vector<bool> stacked;    // per operand
    bool recurs = false;
    double gain = 0;          // launches saved
    uint32_t region = kNone;  // another plan of the region, or itself
    bool accepted = false;
    Value made;
  };
  /// Where an operand's value is: row `row` of something stacked, or by itself. Something stacked
  /// is a plan's value, or a value that is cut into equal parts along its first axis.
  struct Spot {
    enum Kind : uint8_t { Alone, Row, Part } kind = Alone;
    uint32_t plan = kNone;
    Value whole;  // of a Part
    int64_t row = 0;
    bool same_base(const Spot& o) const {
      return kind != Alone && kind == o.kind && plan == o.plan && whole == o.whole;
    }
    bool follows(const Spot& o) const { return same_base(o) && row == o.row + 1; }
  };

  void look() {
    uint32_t position = 0;
    for (NodeId id : g_) position_[id] = position++;
    for (NodeId id = g_.last(); id != kNoNode; id = g_.node(id).prev) {
      for (Value v : g_.node(id).inputs) {
        height_[v.node] = std::max(height_[v.node], height_[id] + 1);
      }
    }
    for (const GraphResult& r : g_.results()) results_.insert(r.value.node);
  }

  Spot spot(Value v) const {
    const Home h = home_at(v.node);
    if (h.plan != kNone) return {Spot::Row, h.plan, {}, h.row};
    const Node& n = g_.node(v.node);
    if (n.op != &op_def<Slice>()) return {};
    const auto& a = n.attrs.as<Slice::Attrs>();
    const Shape& whole = g_.type(n.inputs[0]).shape;
    if (normalize_axis("slice", a.axis, static_cast<int>(whole.size())) != 0 || a.step != 1) {
      return {};
    }
    if (!is_static(whole) || !is_static(a.range)) return {};
    int64_t begin = a.range[0].value(), size = a.range[1].value() - begin;
    if (size == 0 || begin % size != 0) return {};
    return {Spot::Part, kNone, n.inputs[0], begin / size};
  }

  /// The members that really are like the first.
  std::vector<NodeId> alike(const std::vector<NodeId>& members) const {
    const Node& first = g_.node(members.front());
    std::vector<NodeId> out;
    for (NodeId id : members) {
      const Node& n = g_.node(id);
      bool same =
          n.op == first.op && n.inputs.size() == first.inputs.size() && n.attrs == first.attrs;
      for (size_t i = 0; same && i < n.inputs.size(); ++i) {
        same = same_type(g_.type(n.inputs[i]), g_.type(first.inputs[i]));
      }
      if (same) out.push_back(id);
    }
    return out;
  }

  /// Rows in the order of the operand that was made last, so that it is read as it lies. At the
  /// entry of a recurrence those that go on longest come first: the others then drop off the end.
  void order_members(Plan& p) const {
    size_t by = 0;
    int64_t latest = -1;
    for (NodeId id : p.members) {
      const Node& n = g_.node(id);
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        uint32_t plan = home_[n.inputs[i].node].plan;
        if (!p.stacked[i] || plan == kNone || static_cast<int64_t>(plan) <= latest) continue;
        latest = plan;
        by = i;
      }
    }
    if (latest < 0) {
      while (!p.stacked[by]) ++by;
    }
    bool entry = p.recurs && (latest < 0 || !plans_[static_cast<size_t>(latest)].recurs);
    struct Key {
      uint32_t height;
      int64_t plan;
      Value whole;
      int64_t row;
      NodeId id;
    };
    std::vector<Key> keys;
    for (NodeId id : p.members) {
      Spot s = spot(g_.node(id).inputs[by]);
      int64_t plan = s.kind == Spot::Row ? static_cast<int64_t>(s.plan) : -1;
      keys.push_back({entry ? ~height_[id] : 0, plan, s.whole, s.row, id});
    }
    std::stable_sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
      return std::tie(a.height, a.plan, a.whole.node, a.whole.index, a.row) <
             std::tie(b.height, b.plan, b.whole.node, b.whole.index, b.row);
    });
    for (size_t i = 0; i < keys.size(); ++i) p.members[i] = keys[i].id;
  }

  std::vector<Value> operand_values(const Plan& p, size_t i) const {
    std::vector<Value> out;
    for (NodeId id : p.members) out.push_back(g_.node(id).inputs[i]);
    return out;
  }

  uint32_t region_of(uint32_t plan) {
    while (plans_[plan].region != plan) {
      plans_[plan].region = plans_[plans_[plan].region].region;
      plan = plans_[plan].region;
    }
    return plan;
  }

  /// Launches that it takes to bring values together.
  double gather_cost(const std::vector<Value>& values) const {
    size_t pieces = 1;
    bool one_base = true;
    Spot first = spot(values[0]), before = first;
    for (size_t i = 1; i < values.size(); ++i) {
      Spot s = spot(values[i]);
      pieces += s.follows(before) ? 0 : 1;
      one_base = one_base && s.same_base(first);
      before = s;
    }
    if (pieces == 1 && first.kind != Spot::Alone) return 0;
    const TensorType& t = g_.type(values[0]);
    double bytes = static_cast<double>(values.size()) *
                   static_cast<double>(shape_numel(t.shape).value()) *
                   static_cast<double>(itemsize(t.dtype));
    return 1 + (one_base ? 0 : kPiece * static_cast<double>(pieces)) + kBytes * bytes;
  }

  void plan(const BatchGroup& group) {
    Plan p;
    p.recurs = group.recurs;
    p.members = alike(group.members);
    if (p.members.size() < 2) return;
    const Node& first = g_.node(p.members.front());
    for (size_t i = 0; i < first.inputs.size(); ++i) {
      bool differs = std::any_of(p.members.begin(), p.members.end(), [&](NodeId id) {
        return !(g_.node(id).inputs[i] == first.inputs[i]);
      });
      p.stacked.push_back(differs);
    }
    if (!can_batch(g_, first, p.stacked)) return;
    order_members(p);
    const auto index = static_cast<uint32_t>(plans_.size());
    const auto count = static_cast<double>(p.members.size());
    const OpKind kind = first.op->kind;
    double launch = kind == OpKind::View                                    ? 0
                    : kind == OpKind::Contraction || kind == OpKind::Opaque ? 1
                                                                            : kFusedOperator;
    p.gain = (count - 1) * launch;
    p.region = index;
    plans_.push_back(std::move(p));
    for (size_t i = 0; i < plans_[index].stacked.size(); ++i) {
      if (!plans_[index].stacked[i]) continue;
      std::vector<Value> values = operand_values(plans_[index], i);
      plans_[index].gain -= gather_cost(values);
      for (Value v : values) {
        if (home_[v.node].plan == kNone) continue;
        uint32_t a = region_of(home_[v.node].plan), b = region_of(index);
        plans_[std::max(a, b)].region = std::min(a, b);
      }
    }
    for (size_t row = 0; row < plans_[index].members.size(); ++row) {
      home_[plans_[index].members[row]] = {index, static_cast<uint32_t>(row)};
      if (results_.contains(plans_[index].members[row])) plans_[index].gain -= 1;
    }
  }

  /// Members that would have been part of the kernel that reads them.
  size_t handed_out(const Plan& p) const {
    NodeId made = p.members.front();
    while (g_.node(made).op->is_view()) made = g_.node(made).inputs[0].node;
    OpKind kind = g_.node(made).op->kind;
    if (kind != OpKind::Elementwise && kind != OpKind::Reduction) return 0;
    return static_cast<size_t>(std::count_if(p.members.begin(), p.members.end(), [&](NodeId id) {
      const std::vector<Use>& uses = g_.node(id).uses;
      return std::any_of(uses.begin(), uses.end(),
                         [&](const Use& u) { return home_[u.user].plan == kNone; });
    }));
  }

  /// Whole regions, for what is stacked stays stacked.
  void decide() {
    std::vector<double> gain(plans_.size());
    for (uint32_t i = 0; i < plans_.size(); ++i) {
      gain[region_of(i)] +=
          plans_[i].gain - kHandedOut * static_cast<double>(handed_out(plans_[i]));
    }
    for (uint32_t i = 0; i < plans_.size(); ++i) {
      plans_[i].accepted = !weigh_ || gain[region_of(i)] > 0;
      if (plans_[i].accepted) continue;
      for (NodeId id : plans_[i].members) home_[id] = {};
    }
  }

  Value base_of(const Spot& s, const Shape& part) {
    if (s.kind == Spot::Row) return plans_[s.plan].made;
    const Shape whole = g_.type(s.whole).shape;
    int64_t count = whole[0].value() / part[0].value();
    Value v = emit_rows(g_, s.whole, 0, count * part[0].value());
    return emit_reshape(g_, v, stacked_shape(count, part));
  }

  Value index_rows(Value base, const std::vector<int64_t>& rows) {
    auto data = std::make_shared<std::vector<int64_t>>(rows);
    const int64_t size = static_cast<int64_t>(rows.size());
    Value index = g_.add_constant(
        make_constant(DType::I64, {&size, 1}, std::shared_ptr<const void>(data, data->data())));
    const Value in[] = {base, index};
    return emit_node(g_, op_def<IndexSelect>(), in, AttrBox::of(AxisAttrs{0}));
  }

  Value concat(std::vector<Value> pieces) {
    while (pieces.size() > 1) {
      std::vector<Value> joined;
      for (size_t i = 0; i < pieces.size(); i += kMaxPieces) {
        size_t n = std::min(kMaxPieces, pieces.size() - i);
        joined.push_back(
            emit_node(g_, op_def<Concat>(), {&pieces[i], n}, AttrBox::of(AxisAttrs{0})));
      }
      pieces = std::move(joined);
    }
    return pieces.front();
  }

  /// [count, ...] of `count` values of one type.
  Value gather(const std::vector<Value>& values) {
    const Shape part = g_.type(values[0]).shape;
    std::vector<Spot> spots;
    for (Value v : values) spots.push_back(spot(v));
    struct Run {
      size_t begin, size;
    };
    std::vector<Run> runs;
    for (size_t i = 0; i < spots.size(); ++i) {
      if (i != 0 && spots[i].follows(spots[i - 1])) {
        ++runs.back().size;
      } else {
        runs.push_back({i, 1});
      }
    }
    bool one_base = std::all_of(spots.begin(), spots.end(),
                                [&](const Spot& s) { return s.same_base(spots[0]); });
    if (one_base && runs.size() > 1) {
      std::vector<int64_t> rows;
      for (const Spot& s : spots) rows.push_back(s.row);
      return index_rows(base_of(spots[0], part), rows);
    }
    if (runs.size() > kFewPieces) {
      Value joined = gather_joined(spots, part);
      if (joined.valid()) return joined;
    }
    std::vector<Value> pieces;
    for (const Run& r : runs) {
      const Spot& s = spots[r.begin];
      if (s.kind == Spot::Alone) {
        pieces.push_back(emit_reshape(g_, values[r.begin], stacked_shape(1, part)));
      } else {
        pieces.push_back(
            emit_rows(g_, base_of(s, part), s.row, s.row + static_cast<int64_t>(r.size)));
      }
    }
    return concat(std::move(pieces));
  }

  /// Rows of a few stacked values: joins those, then takes the rows. No value where that would copy
  /// much more than is wanted.
  Value gather_joined(const std::vector<Spot>& spots, const Shape& part) {
    struct Base {
      Spot spot;
      int64_t low, high, at = 0;
    };
    std::vector<Base> bases;
    std::unordered_map<uint32_t, size_t> of_plan;
    for (const Spot& s : spots) {
      if (s.kind != Spot::Row) return {};
      auto [it, fresh] = of_plan.try_emplace(s.plan, bases.size());
      if (fresh) bases.push_back({s, s.row, s.row + 1});
      Base& b = bases[it->second];
      b.low = std::min(b.low, s.row);
      b.high = std::max(b.high, s.row + 1);
    }
    int64_t total = 0;
    for (Base& b : bases) {
      b.at = total;
      total += b.high - b.low;
    }
    if (total > 4 * static_cast<int64_t>(spots.size())) return {};
    std::vector<Value> pieces;
    for (const Base& b : bases)
      pieces.push_back(emit_rows(g_, base_of(b.spot, part), b.low, b.high));
    std::vector<int64_t> rows;
    for (const Spot& s : spots) {
      const Base& b = bases[of_plan.at(s.plan)];
      rows.push_back(b.at + s.row - b.low);
    }
    return index_rows(concat(std::move(pieces)), rows);
  }

  void emit(Plan& p) {
    const Node first = g_.node(p.members.front());  // a copy: emitting moves the slab
    g_.set_origin(first.scope, first.loc);
    std::vector<Value> operands;
    for (size_t i = 0; i < p.stacked.size(); ++i) {
      operands.push_back(p.stacked[i] ? gather(operand_values(p, i)) : first.inputs[i]);
    }
    p.made = emit_batched(g_, first, operands, p.stacked, static_cast<int64_t>(p.members.size()));
    g_.set_origin(0, 0);
  }

  /// A concat of rows that lie together anyway is a gather.
  void join_rows() {
    std::vector<NodeId> concats;
    for (NodeId id : g_) {
      const Node& n = g_.node(id);
      if (n.op != &op_def<Concat>() || n.inputs.size() < 2 || home_at(id).plan != kNone) continue;
      if (normalize_axis("concat", n.attrs.as<AxisAttrs>().axis, n.outputs[0].rank()) == 0) {
        concats.push_back(id);
      }
    }
    for (NodeId id : concats) {
      const SmallVec<Value, 4> in = g_.node(id).inputs;
      bool rows = std::all_of(in.begin(), in.end(), [&](Value v) {
        return home_at(v.node).plan != kNone && home_at(v.node).plan == home_at(in[0].node).plan;
      });
      if (!rows) continue;
      const Shape shape = g_.node(id).outputs[0].shape;
      g_.set_origin(g_.node(id).scope, g_.node(id).loc);
      Value joined = emit_reshape(g_, gather({in.begin(), in.end()}), shape);
      g_.set_origin(0, 0);
      g_.replace_uses({id, 0}, joined);
      g_.erase(id);
    }
  }

  /// One row added to zeros, at one index.
  bool is_one_row_scatter(NodeId id) const {
    const Node& n = g_.node(id);
    if (n.op != &op_def<IndexAdd>() || n.outputs[0].rank() == 0) return false;
    const Shape& indices = g_.type(n.inputs[1]).shape;
    return indices.size() == 1 && indices[0].is(1) && is_static(n.outputs[0].shape) &&
           normalize_axis("index_add", n.attrs.as<IndexAdd::Attrs>().axis, n.outputs[0].rank()) ==
               0;
  }
  bool read_once(Value v) const {
    return g_.node(v.node).uses.size() == 1 && !results_.contains(v.node);
  }

  /// A sum of scatters of one row each, such as a gradient in an embedding table, is one scatter of
  /// all rows: it begins at +0 and adds in the order of its rows, and the zeros that the sum adds
  /// elsewhere change nothing, for no partial sum is -0.
  void join_scatters() {
    std::unordered_map<NodeId, std::vector<NodeId>> terms;  // of values that are such sums
    std::vector<NodeId> ends;
    for (NodeId id : g_) {
      const Node& n = g_.node(id);
      if (home_at(id).plan != kNone) continue;
      if (is_one_row_scatter(id)) terms[id] = {id};
      if (n.op != &op_def<Add>()) continue;
      auto sum = terms.find(n.inputs[0].node), one = terms.find(n.inputs[1].node);
      if (sum == terms.end() || one == terms.end() || sum == one) continue;
      if (one->second.size() != 1) std::swap(sum, one);
      const Node &first = g_.node(sum->second.front()), &next = g_.node(one->second.front());
      bool fits = one->second.size() == 1 && read_once({sum->first, 0}) &&
                  read_once({one->first, 0}) && first.attrs == next.attrs &&
                  same_type(first.outputs[0], next.outputs[0]) &&
                  same_type(g_.type(first.inputs[1]), g_.type(next.inputs[1]));
      if (!fits) continue;
      std::vector<NodeId> all = std::move(sum->second);
      all.push_back(one->second.front());
      terms.erase(n.inputs[0].node);
      terms.erase(n.inputs[1].node);
      terms[id] = std::move(all);
      ends.push_back(id);
    }
    for (NodeId id : ends) {
      auto found = terms.find(id);
      if (found != terms.end()) join_scatter(id, found->second);
    }
  }

  void join_scatter(NodeId sum, const std::vector<NodeId>& terms) {
    const Node first = g_.node(terms.front());  // a copy: emitting moves the slab
    const auto count = static_cast<int64_t>(terms.size());
    std::vector<Value> rows, indices;
    for (NodeId id : terms) {
      rows.push_back(g_.node(id).inputs[0]);
      indices.push_back(g_.node(id).inputs[1]);
    }
    g_.set_origin(first.scope, first.loc);
    Shape shape = g_.type(rows[0]).shape;
    shape[0] = Dim(count);
    const Value in[] = {emit_reshape(g_, gather(rows), shape),
                        emit_reshape(g_, gather(indices), {Dim(count)})};
    Value joined = emit_node(g_, *first.op, in, first.attrs);
    g_.set_origin(0, 0);
    g_.replace_uses({sum, 0}, joined);
    // The sum and what only it read; the last first.
    std::vector<NodeId> dead{sum};
    while (!dead.empty()) {
      NodeId id = dead.back();
      dead.pop_back();
      bool scatter = g_.node(id).op == first.op;
      const SmallVec<Value, 4> operands = g_.node(id).inputs;
      g_.erase(id);
      for (Value v : operands) {
        if (!scatter) dead.push_back(v.node);
      }
    }
  }

  Home home_at(NodeId id) const { return id < home_.size() ? home_[id] : Home{}; }

  /// Gives what reads a member, and is none itself, a view of its row.
  void hand_out(NodeId id) {
    bool wanted = results_.contains(id);
    for (const Use& u : g_.node(id).uses) wanted = wanted || home_at(u.user).plan == kNone;
    if (!wanted) return;
    const Home h = home_[id];
    const Shape shape = g_.node(id).outputs[0].shape;
    const NodeId like = plans_[h.plan].made.node;
    g_.set_origin(g_.node(like).scope, g_.node(like).loc);
    Value row = emit_rows(g_, plans_[h.plan].made, h.row, int64_t{h.row} + 1);
    g_.set_origin(0, 0);
    g_.replace_uses({id, 0}, emit_reshape(g_, row, shape));
  }

  Graph& g_;
  bool weigh_;
  std::vector<Home> home_;        // per node of the graph before
  std::vector<uint32_t> height_;  // nodes on the longest way to a result
  std::vector<uint32_t> position_;
  std::unordered_set<NodeId> results_;
  std::vector<Plan> plans_;  // in an order that can be run
};

bool run(Graph& g, const PassContext& context, bool weigh) {
  bool changed = Batcher(g, weigh).run();
  if (changed) dce(g, context);
  return changed;
}

}  // namespace

bool batch(Graph& g, const PassContext& context) { return run(g, context, true); }
bool batch_all(Graph& g, const PassContext& context) { return run(g, context, false); }

}  // namespace etch::passes
