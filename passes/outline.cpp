#include "passes/outline.h"

#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>

#include "ir/ops/control.h"
#include "passes/outline_cost.h"
#include "passes/outline_members.h"
#include "passes/repeats.h"

namespace etch::passes {

using namespace etch::ir;

namespace {

constexpr size_t kLeastNodes = 8;    // of a piece
constexpr size_t kMostPorts = 1024;  // operands and results of a call
constexpr int kDeepest = 8;          // functions inside functions
constexpr size_t kNodesPerLostFusion = 16;

/// Members [begin, begin + period) of the sequence.
struct Piece {
  size_t begin = 0;
  std::vector<uint64_t> wiring;  // per operand: where it comes from
  std::vector<Value> given;      // by first use
  std::vector<NodeId> leaves;    // by first use
};

struct Group {
  size_t period = 0;
  std::vector<size_t> pieces;  // the first is the model
  std::vector<bool> varies;    // per leaf: an operand
  std::vector<Value> results;  // of the model: by offset in the piece
  GraphRef body;               // null: stays in line
};

class Outliner {
 public:
  Outliner(const Graph& g, const PassContext& context, int depth)
      : g_(g), context_(context), depth_(depth), m_(g) {}

  std::optional<Graph> run() {
    const size_t least = context_.least_call_us == 0 ? 2 : kLeastNodes;
    if (m_.sequence.size() < least * kFewestCalls) return std::nullopt;
    for (const Repeat& r : find_repeats(m_.signatures, least, kFewestCalls)) cut(r);
    if (pieces_.empty()) return std::nullopt;
    find_escapes();
    numbered_.resize(g_.capacity());
    for (size_t i = 0; i < pieces_.size(); ++i) add_to_group(i);
    bool any = false;
    for (Group& group : groups_) {
      if (!worth_it(group)) continue;
      make_body(group);
      any = true;
    }
    return any ? std::optional(rebuild()) : std::nullopt;
  }

 private:
  // Cutting.

  const OutlineCost& cost(size_t at) {
    auto [it, fresh] = costs_.try_emplace(m_.signatures[at]);
    if (fresh) it->second = cost_of(g_, m_.sequence[at]);
    return it->second;
  }

  /// Cuts a stretch into pieces: where the fewest fusions are lost and the fewest values pass over.
  void cut(const Repeat& r) {
    const size_t p = r.period;
    // A cut at begin + p + k stands for all those that are periods away.
    const size_t first = r.begin + p;
    std::vector<int64_t> passing(p + 1), lost(p + 1);
    auto add = [&](std::vector<int64_t>& to, size_t from, size_t until) {  // cuts in (from, until]
      const size_t low = std::max(from + 1, first), high = std::min(until, first + p - 1);
      if (low > high) return;
      ++to[low - first];
      --to[high - first + 1];
    };
    std::unordered_map<Value, size_t, ValueHash> last_use;
    size_t last_hard = 0;  // 1 + position
    const size_t end = std::min(r.end, r.begin + 3 * p);
    for (size_t i = r.begin; i < end; ++i) {
      const bool fuses = cost(i).fuses;
      for (Value v : g_.node(m_.sequence[i]).inputs) {
        const Value b = m_.base(v);
        if (m_.role(b.node) != Role::Member || m_.position(b.node) < r.begin) continue;
        last_use[b] = i;
        const size_t from = m_.position(b.node);
        if (fuses && cost(from).fuses && last_hard <= from) add(lost, from, i);
      }
      if (!fuses) last_hard = i + 1;
    }
    for (const auto& [v, until] : last_use) add(passing, m_.position(v.node), until);

    size_t best = p;
    std::pair<int64_t, int64_t> best_cost, running{0, 0};
    for (size_t k = 0; k < p; ++k) {
      running.first += lost[k];
      running.second += passing[k];
      if ((r.end - r.begin - k) / p < kFewestCalls) break;
      if (best != p && running >= best_cost) continue;
      best = k;
      best_cost = running;
    }
    if (best == p) return;
    const bool loses = static_cast<size_t>(best_cost.first) * kNodesPerLostFusion > p;
    if (loses && context_.least_call_us != 0) return;
    for (size_t at = r.begin + best; at + p <= r.end; at += p) {
      pieces_.push_back({at, {}, {}, {}});
      periods_.push_back(p);
    }
  }

  /// Which values of pieces are used elsewhere.
  void find_escapes() {
    piece_of_.assign(m_.sequence.size(), kNone);
    for (size_t i = 0; i < pieces_.size(); ++i) {
      for (size_t t = 0; t < periods_[i]; ++t) piece_of_[pieces_[i].begin + t] = i;
    }
    escapes_.assign(m_.sequence.size(), 0);
    auto use = [&](Value v, size_t by) {
      const Value b = m_.base(v);
      if (m_.role(b.node) != Role::Member) return;
      const size_t at = m_.position(b.node);
      if (piece_of_[at] != kNone && piece_of_[at] != by) escapes_[at] |= uint32_t{1} << b.index;
    };
    for (size_t i = 0; i < m_.sequence.size(); ++i) {
      for (Value v : g_.node(m_.sequence[i]).inputs) use(v, piece_of_[i]);
    }
    for (const GraphResult& r : g_.results()) use(r.value, kNone);
  }

  // Comparing.

  /// Fills in where operands come from; returns a hash of all that equal pieces share.
  uint64_t read(Piece& piece, size_t period) {
    uint64_t h = period;
    ++reading_;
    for (size_t at = piece.begin; at < piece.begin + period; ++at) {
      h = mix(mix(h, m_.signatures[at]), escapes_[at]);
      for (Value v : g_.node(m_.sequence[at]).inputs) {
        const Value b = m_.base(v);
        const size_t from = m_.position(b.node);
        uint64_t code = 0;
        if (m_.role(b.node) == Role::Member && from >= piece.begin && from < at) {
          code = ((from - piece.begin) << 8 | b.index) << 2;
        } else {
          const bool leaf = m_.role(b.node) == Role::Leaf;
          const size_t next = leaf ? piece.leaves.size() : piece.given.size();
          auto [number, fresh] = number_in_piece(b, next);
          if (fresh && leaf) {
            piece.leaves.push_back(b.node);
            if (!one_element(g_.type(b))) h = mix(h, m_.leaf_hash(b.node));
          }
          if (fresh && !leaf) piece.given.push_back(b);
          code = number << 2 | (leaf ? 1 : 2);
        }
        piece.wiring.push_back(code);
        h = mix(h, code);
      }
    }
    return h;
  }

  /// The number of an operand of the piece that is being read; `next` when it is new.
  std::pair<size_t, bool> number_in_piece(Value v, size_t next) {
    Numbered& known = numbered_[v.node];
    if (known.reading != reading_) {
      known = {reading_, v.index, next};
      return {next, true};
    }
    if (known.index == v.index) return {known.number, false};
    auto [it, fresh] = further_.try_emplace({reading_, {v.node, v.index}}, next);
    return {it->second, fresh};
  }

  bool same_piece(const Piece& a, const Piece& b, size_t period) const {
    if (a.wiring != b.wiring) return false;
    for (size_t t = 0; t < period; ++t) {
      const Node& m = g_.node(m_.sequence[a.begin + t]);
      const Node& n = g_.node(m_.sequence[b.begin + t]);
      if (!m_.same_member(m, n) || escapes_[a.begin + t] != escapes_[b.begin + t]) return false;
      for (size_t i = 0; i < m.inputs.size(); ++i) {
        if (!m_.same_window(m.inputs[i], n.inputs[i])) return false;
      }
    }
    for (size_t k = 0; k < a.leaves.size(); ++k) {
      const NodeId x = a.leaves[k], y = b.leaves[k];
      if (!one_element(g_.node(x).outputs[0]) && !m_.same_leaf(x, y)) return false;
    }
    return true;
  }

  void add_to_group(size_t i) {
    Piece& piece = pieces_[i];
    const size_t period = periods_[i];
    std::vector<size_t>& same_hash = groups_by_hash_[read(piece, period)];
    for (size_t k : same_hash) {
      Group& group = groups_[k];
      const Piece& model = pieces_[group.pieces[0]];
      if (group.period != period || !same_piece(model, piece, period)) continue;
      for (size_t leaf = 0; leaf < piece.leaves.size(); ++leaf) {
        if (!group.varies[leaf] && !m_.same_leaf(model.leaves[leaf], piece.leaves[leaf])) {
          group.varies[leaf] = true;
        }
      }
      group.pieces.push_back(i);
      return;
    }
    same_hash.push_back(groups_.size());
    groups_.push_back({period, {i}, std::vector<bool>(piece.leaves.size()), {}, nullptr});
  }

  bool worth_it(const Group& group) {
    if (group.pieces.size() < kFewestCalls) return false;
    const Piece& model = pieces_[group.pieces[0]];
    double work = 0;
    size_t results = 0;
    for (size_t t = 0; t < group.period; ++t) {
      work += cost(model.begin + t).microseconds;
      results += static_cast<size_t>(std::popcount(escapes_[model.begin + t]));
    }
    const size_t ports = model.given.size() + model.leaves.size() + results;
    return results != 0 && ports <= kMostPorts && work >= context_.least_call_us;
  }

  // Making functions.

  /// "layers.3.norm" and "layers.4.norm" are "layers.*.norm".
  static std::string common_scope(const std::string& a, const std::string& b) {
    std::string out;
    for (size_t i = 0, j = 0; i <= a.size() && j <= b.size();) {
      const size_t end = std::min(a.find('.', i), a.size()),
                   other = std::min(b.find('.', j), b.size());
      const std::string_view part = std::string_view(a).substr(i, end - i);
      const bool same = part == std::string_view(b).substr(j, other - j);
      if (!out.empty()) out += '.';
      out += same ? part : "*";
      i = end + 1;
      j = other + 1;
    }
    return out;
  }

  void make_body(Group& group) {
    const Piece& model = pieces_[group.pieces[0]];
    const Piece& other = pieces_[group.pieces.back()];
    auto body = std::make_shared<Graph>();
    body->assume_sizes(g_);
    std::unordered_map<Value, Value, ValueHash> map;
    auto add_input = [&](Value v) {
      map[v] = body->add_input(cat("x", body->inputs().size()), g_.type(v));
    };
    for (Value v : model.given) add_input(v);
    for (size_t k = 0; k < model.leaves.size(); ++k) {
      if (group.varies[k]) add_input({model.leaves[k], 0});
    }
    auto inside = [&](Value v) {
      SmallVec<NodeId, 8> open;
      while (!map.contains(v)) {
        open.push_back(v.node);
        if (m_.role(v.node) != Role::Window) break;
        v = m_.first(g_.node(v.node).inputs[0]);
      }
      for (size_t k = open.size(); k-- > 0;) {
        const Node& n = g_.node(open[k]);
        SmallVec<Value, 4> in;
        for (Value from : n.inputs) in.push_back(map.at(m_.first(from)));
        map[{open[k], 0}] = is_constant(n)
                                ? body->add_constant(n.constant)
                                : Value{body->add_node(*n.op, in, n.attrs, n.outputs), 0};
      }
    };
    for (size_t t = 0; t < group.period; ++t) {
      const NodeId id = m_.sequence[model.begin + t];
      const Node& n = g_.node(id);
      const std::string scope =
          common_scope(g_.scope(n.scope), g_.scope(g_.node(m_.sequence[other.begin + t]).scope));
      if (t == 0) body->name = scope.empty() ? "repeated" : scope;
      const GraphLoc& loc = g_.loc(n.loc);
      body->set_origin(body->intern_scope(scope), body->intern_loc(loc.file, loc.line));
      SmallVec<Value, 4> in;
      for (Value v : n.inputs) {
        inside(m_.first(v));
        in.push_back(map.at(m_.first(v)));
      }
      const NodeId copy = is_fusion(n) ? body->add_fusion(n.body, in)
                                       : body->add_node(*n.op, in, n.attrs, n.outputs);
      for (uint32_t i = 0; i < n.outputs.size(); ++i) map[{id, i}] = {copy, i};
    }
    body->set_origin(0, 0);
    for (size_t t = 0; t < group.period; ++t) {
      for (uint32_t i = 0; i < kMostResults; ++i) {
        if ((escapes_[model.begin + t] >> i & 1) == 0) continue;
        body->add_result(map.at({m_.sequence[model.begin + t], i}), cat("r", group.results.size()));
        group.results.push_back({static_cast<NodeId>(t), i});
      }
    }
    if (depth_ < kDeepest) {
      if (std::optional<Graph> again = Outliner(*body, context_, depth_ + 1).run())
        *body = std::move(*again);
    }
    group.body = std::move(body);
  }

  // The new graph.

  class Rebuilder;
  Graph rebuild();

  static constexpr size_t kNone = ~size_t{0};
  const Graph& g_;
  const PassContext& context_;
  int depth_;
  Members m_;
  std::unordered_map<uint64_t, OutlineCost> costs_;
  std::vector<Piece> pieces_;
  std::vector<size_t> periods_;    // per piece
  std::vector<size_t> piece_of_;   // per member
  std::vector<uint32_t> escapes_;  // per member: results used outside its piece
  std::vector<Group> groups_;
  std::unordered_map<uint64_t, std::vector<size_t>> groups_by_hash_;
  struct Numbered {
    size_t reading = 0;  // of which piece
    uint32_t index = 0;  // of the value
    size_t number = 0;
  };
  size_t reading_ = 0;
  std::vector<Numbered> numbered_;  // per node, its first value read
  std::map<std::pair<size_t, std::pair<NodeId, uint32_t>>, size_t> further_;  // and its others
};

/// Copies what stays, with calls for pieces; windows and leaves where something reads them.
class Outliner::Rebuilder {
 public:
  explicit Rebuilder(Outliner& o) : o_(o), g_(o.g_), copies_(g_.capacity(), kNoNode) {
    group_of_.assign(o.pieces_.size(), nullptr);
    for (const Group& group : o.groups_) {
      if (group.body == nullptr) continue;
      for (size_t p : group.pieces) group_of_[p] = &group;
    }
  }

  Graph run() {
    out_.name = g_.name;
    out_.symbols = g_.symbols;
    out_.constraints = g_.constraints;
    for (Constraint& c : out_.constraints) c.loc = loc(c.loc);
    for (const GraphInput& in : g_.inputs()) {
      set_origin(g_.node(in.value.node));
      copies_[in.value.node] = out_.add_input(in.name, g_.type(in.value), in.kind).node;
    }
    for (NodeId id : g_) {
      const bool on_demand = o_.m_.role(id) == Role::Leaf || o_.m_.role(id) == Role::Window;
      if (is_input(g_.node(id)) || on_demand || !o_.m_.counts(id)) continue;
      const size_t at = o_.m_.position(id);
      const bool member = o_.m_.role(id) == Role::Member;
      const size_t piece = member ? o_.piece_of_[at] : kNone;
      if (piece == kNone || group_of_[piece] == nullptr) {
        copy(id);
      } else if (at + 1 == o_.pieces_[piece].begin + o_.periods_[piece]) {
        call(o_.pieces_[piece], *group_of_[piece]);
      }
    }
    for (const GraphResult& r : g_.results()) {
      const Value v = value(r.value);
      r.guard ? out_.add_guard(v, r.name, *r.guard, loc(r.loc))
              : out_.add_result(v, r.name, r.state);
    }
    return std::move(out_);
  }

 private:
  uint32_t loc(uint32_t id) {
    auto [it, fresh] = locs_.try_emplace(id, 0);
    if (fresh) it->second = out_.intern_loc(g_.loc(id).file, g_.loc(id).line);
    return it->second;
  }
  void set_origin(const Node& n) {
    auto [it, fresh] = scopes_.try_emplace(n.scope, 0);
    if (fresh) it->second = out_.intern_scope(g_.scope(n.scope));
    out_.set_origin(it->second, loc(n.loc));
  }

  /// The new value of v, whose windows and leaf are made now if nobody has read them.
  Value value(Value v) {
    v = o_.m_.first(v);
    SmallVec<NodeId, 8> open;
    for (Value at = v; !known(at); at = o_.m_.first(g_.node(at.node).inputs[0])) {
      open.push_back(at.node);
      if (o_.m_.role(at.node) != Role::Window) break;
    }
    for (size_t i = open.size(); i-- > 0;) make(open[i]);
    auto result = results_.find(v);
    return result != results_.end() ? result->second : Value{copies_[v.node], v.index};
  }
  bool known(Value v) const { return copies_[v.node] != kNoNode || results_.contains(v); }

  void copy(NodeId id) {
    for (Value v : g_.node(id).inputs) value(v);
    make(id);
  }
  void make(NodeId id) {
    const Node& n = g_.node(id);
    SmallVec<Value, 4> in;
    for (Value v : n.inputs) in.push_back(value(v));
    set_origin(n);
    if (is_constant(n)) {
      copies_[id] = out_.add_constant(n.constant).node;
    } else if (is_fusion(n)) {
      copies_[id] = out_.add_fusion(n.body, in);
    } else {
      copies_[id] = out_.add_node(*n.op, in, n.attrs, n.outputs);
    }
  }

  void call(const Piece& piece, const Group& group) {
    SmallVec<Value, 4> in;
    for (Value v : piece.given) in.push_back(value(v));
    for (size_t k = 0; k < piece.leaves.size(); ++k) {
      if (group.varies[k]) in.push_back(value({piece.leaves[k], 0}));
    }
    Types types;
    for (const GraphResult& r : group.body->results()) types.push_back(group.body->type(r.value));
    set_origin(g_.node(o_.m_.sequence[piece.begin]));
    const NodeId id = out_.add_node(op_def<CallFunction>(), in,
                                    AttrBox::of(CallFunction::Attrs{group.body}), std::move(types));
    for (uint32_t i = 0; i < group.results.size(); ++i) {
      const Value r = group.results[i];
      results_[{o_.m_.sequence[piece.begin + r.node], r.index}] = {id, i};
    }
  }

  Outliner& o_;
  const Graph& g_;
  Graph out_;
  std::vector<NodeId> copies_;
  std::unordered_map<Value, Value, ValueHash> results_;  // of pieces
  std::vector<const Group*> group_of_;                   // per piece
  std::unordered_map<uint32_t, uint32_t> scopes_, locs_;
};

Graph Outliner::rebuild() {
  Graph made = Rebuilder(*this).run();
  made.set_origin(0, 0);
  return made;
}

}  // namespace

std::optional<Graph> outline(const Graph& g, const PassContext& context) {
  return Outliner(g, context, 0).run();
}

}  // namespace etch::passes
