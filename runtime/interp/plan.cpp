#include "runtime/interp/plan.h"

#include <limits>

#include "ir/scalar/eval.h"
#include "ir/support/error.h"
#include "runtime/interp/fused.h"

namespace etch::runtime {

using namespace etch::ir;

namespace {

enum class Level : uint8_t { Uniform, Tile, Inner };

Prim combiner(ReduceKind k) {
  switch (k) {
    case ReduceKind::Sum:
      return Prim::Add;
    case ReduceKind::Prod:
      return Prim::Mul;
    case ReduceKind::Max:
    case ReduceKind::ArgMax:
      return Prim::Max;
    default:
      return Prim::Min;
  }
}
LaneOp lane_op(ReduceKind k) {
  switch (k) {
    case ReduceKind::Sum:
      return LaneOp::Sum;
    case ReduceKind::Prod:
      return LaneOp::Prod;
    case ReduceKind::Max:
    case ReduceKind::ArgMax:
      return LaneOp::Max;
    default:
      return LaneOp::Min;
  }
}
bool is_arg(ReduceKind k) { return k == ReduceKind::ArgMax || k == ReduceKind::ArgMin; }

/// The value that changes nothing; -0 for sums, because +0 + -0 would lose a sign.
uint64_t identity_bits(ReduceKind k, DType t) {
  ExprGraph g;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  switch (k) {
    case ReduceKind::Sum:
      return g.lit(t, is_float(t) ? -0.0 : 0.0).node().bits;
    case ReduceKind::Prod:
      return g.lit(t, 1.0).node().bits;
    case ReduceKind::Max:
      return g.lit(t, is_bool(t) ? 0.0 : -kInf).node().bits;
    case ReduceKind::Min:
      return g.lit(t, is_bool(t) ? 1.0 : kInf).node().bits;
    default:
      return 0;
  }
}

class Planner {
 public:
  Planner(const loop::Kernel& k, Shape2 shape, Isa isa) : k_(k) {
    plan_.shape = shape;
    plan_.isa = isa;
  }

  BlockPlan build() {
    classify();
    find_fused_nodes();
    plan_.reductions = static_cast<int>(k_.reductions.size());
    int stages = 1;
    for (int s : stage_) stages = std::max(stages, s + 1);
    plan_.stages.resize(static_cast<size_t>(stages));
    slot_.assign(k_.exprs.size(), -1);
    for (uint32_t id = 0; id < k_.exprs.size(); ++id) {
      if (level_[id] != Level::Inner) outer_value(id);
    }
    computed_.assign(k_.exprs.size(), false);
    kept_.assign(k_.exprs.size(), false);
    std::vector<std::vector<uint32_t>> work;
    for (int s = 0; s < stages; ++s) work.push_back(needed(s));
    for (int s = 0; s < stages; ++s) {
      outer_stores(s);
      blocks(s, work[static_cast<size_t>(s)]);
    }
    size_t live = 0;
    for (const Slot& slot : plan_.slots) {
      if (slot.kind == SlotKind::Register || slot.kind == SlotKind::Repeat) live += slot.itemsize;
    }
    if (!plan_.shape.columns)
      plan_.block = live <= 4 ? 4 * kBlock : live <= 12 ? 2 * kBlock : kBlock;
    return std::move(plan_);
  }

 private:
  const ExprNode& node(uint32_t id) const { return k_.exprs.node(id); }
  Stage& stage(int s) { return plan_.stages[static_cast<size_t>(s)]; }
  bool scalar_slot(Level l) const {
    return l == Level::Uniform || (l == Level::Tile && plan_.shape.single);
  }
  bool inner_store(const loop::Store& s) const { return s.inner || k_.reductions.empty(); }

  void classify() {
    size_t tile_axes = static_cast<size_t>(plan_.shape.tile_axes);
    auto moves = [](auto begin, auto end) {
      return std::any_of(begin, end, [](Dim d) { return !d.is(0); });
    };
    for (const ExprNode& n : k_.exprs.nodes()) {
      Level level = Level::Uniform;
      int at = 0;
      if (n.op == Prim::Load) {
        const Shape& s = k_.loads[n.bits].strides;
        if (moves(s.begin(), s.begin() + tile_axes)) level = Level::Tile;
        if (moves(s.begin() + tile_axes, s.end())) level = Level::Inner;
      } else if (n.op == Prim::Index) {
        level = n.bits >= tile_axes ? Level::Inner : Level::Tile;
      }
      for (int i = 0; i < arity(n.op); ++i) {
        level = std::max(level, level_[n.in[i]]);
        at = std::max(at, stage_[n.in[i]]);
      }
      if (n.op == Prim::Reduce) {
        level = Level::Tile;
        ++at;
      }
      level_.push_back(level);
      stage_.push_back(at);
    }
  }

  /// Inner values that have a loop for their whole expression.
  void find_fused_nodes() {
    fused_.resize(k_.exprs.size());
    std::vector<int> uses(k_.exprs.size(), 0);
    for (const ExprNode& n : k_.exprs.nodes()) {
      for (int i = 0; i < arity(n.op); ++i) ++uses[n.in[i]];
    }
    for (const loop::Store& s : k_.stores) ++uses[s.value];
    for (uint32_t id = 0; id < k_.exprs.size(); ++id) {
      if (level_[id] != Level::Inner) continue;
      std::optional<FusedNode> f = match_fused(k_.exprs, id);
      if (!f || find_fused(f->kind, 0, plan_.isa) == nullptr) continue;
      // What is computed outside the blocks stays there, functions are not computed twice, and no
      // operand is read later than a store that may lie on it.
      bool fits = std::all_of(f->inside.begin(), f->inside.end(), [&](uint32_t in) {
        bool stored = std::any_of(k_.stores.begin(), k_.stores.end(), [&](const loop::Store& s) {
          return in <= s.value && s.value < id;
        });
        return level_[in] == Level::Inner && !stored && (uses[in] == 1 || !is_func(node(in).op));
      });
      if (fits) fused_[id] = std::move(f);
    }
  }
  std::span<const uint32_t> operands(uint32_t id) const {
    if (fused_[id]) return fused_[id]->operands;
    return {node(id).in, static_cast<size_t>(arity(node(id).op))};
  }

  int add_slot(SlotKind kind, DType t, int ref = -1) {
    plan_.slots.push_back({kind, static_cast<uint8_t>(itemsize(t)), ref});
    return static_cast<int>(plan_.slots.size()) - 1;
  }
  int add_source(const ExprNode& n, bool inner) {
    Source s;
    s.inner = inner;
    s.itemsize = static_cast<uint8_t>(itemsize(n.dtype));
    (n.op == Prim::Load ? s.load : s.axis) = static_cast<int>(n.bits);
    plan_.sources.push_back(s);
    return static_cast<int>(plan_.sources.size()) - 1;
  }

  /// The loop for `n` with as many of the `wanted` operands scalar as there is one for.
  LoopFn pick_loop(uint32_t id, unsigned wanted, unsigned& mask) const {
    const ExprNode& n = node(id);
    DType in = node(n.in[n.op == Prim::Select ? 1 : 0]).dtype;
    for (int drop = 0; drop <= 3; ++drop) {
      for (unsigned m = 0; m < 8; ++m) {
        if ((m & ~wanted) != 0 || __builtin_popcount(wanted & ~m) != drop) continue;
        LoopFn fn = fused_[id] ? find_fused(fused_[id]->kind, m, plan_.isa)
                               : find_loop(n.op, in, n.dtype, m, plan_.isa);
        if (fn != nullptr) {
          mask = m;
          return fn;
        }
      }
    }
    fail_internal(cat("no loop for scalar ", info(n.op).name, " on ", in));
  }

  /// A value that is the same for, or has one element per, tile point.
  void outer_value(uint32_t id) {
    const ExprNode& n = node(id);
    Level level = level_[id];
    slot_[id] = add_slot(level == Level::Uniform ? SlotKind::Uniform : SlotKind::Tile, n.dtype);
    int slot = slot_[id];
    if (n.op == Prim::Lit) return plan_.literals.emplace_back(slot, n.bits), void();
    if (n.op == Prim::Param) {
      return plan_.params.emplace_back(slot, static_cast<int>(n.bits)), void();
    }
    if (n.op == Prim::Load || n.op == Prim::Index) {
      auto& reads = level == Level::Uniform ? plan_.uniform_reads : plan_.tile_reads;
      return reads.emplace_back(slot, add_source(n, false)), void();
    }
    if (n.op == Prim::Reduce) return;
    Instr instr;
    instr.out = slot;
    unsigned wanted = 0, mask = 0;
    bool one = scalar_slot(level);
    for (int i = 0; i < arity(n.op); ++i) {
      if (one || scalar_slot(level_[n.in[i]])) wanted |= 1u << i;
    }
    instr.fn = pick_loop(id, wanted, mask);
    for (int i = 0; i < arity(n.op); ++i) {
      bool repeat = ((wanted & ~mask) >> i & 1) != 0 && !one;
      instr.in[i] = repeat ? tile_repeat(n.in[i], stage_[id]) : slot_[n.in[i]];
    }
    (level == Level::Uniform ? plan_.uniform : stage(stage_[id]).tile).push_back(instr);
  }

  int tile_repeat(uint32_t id, int s) {
    int slot = add_slot(SlotKind::Tile, node(id).dtype);
    stage(s).tile_repeats.emplace_back(slot, slot_[id]);
    return slot;
  }

  void outer_stores(int s) {
    for (size_t i = 0; i < k_.stores.size(); ++i) {
      const loop::Store& store = k_.stores[i];
      if (inner_store(store) || stage_[store.value] != s) continue;
      bool repeat = level_[store.value] == Level::Uniform && !plan_.shape.single;
      int from = repeat ? tile_repeat(store.value, s) : slot_[store.value];
      stage(s).tile_stores.push_back({static_cast<int>(i), from, -1});
    }
  }

  bool is_root(uint32_t id, int s) const {
    const ExprNode& n = node(id);
    return n.op == Prim::Reduce && stage_[n.in[0]] == s;
  }

  int cost(uint32_t id) const {
    const ExprNode& n = node(id);
    if (level_[id] != Level::Inner || is_leaf(n.op)) return 0;
    int sum = is_func(n.op) ? 8 : 1;
    for (int i = 0; i < arity(n.op); ++i) sum += std::min(cost_[n.in[i]], 100);
    return sum;
  }

  /// Whether later stages should find the value instead of computing it again.
  bool worth_keeping(uint32_t id) const {
    constexpr int kWorth = 3;
    if (!plan_.shape.keep || is_leaf(node(id).op)) return false;
    return whole_tile_blocks() || cost_[id] >= kWorth;
  }
  /// A tile of several rows is one block: whatever was computed is still there.
  bool whole_tile_blocks() const { return !plan_.shape.columns && !plan_.shape.single; }

  /// Inner-level values to compute in stage s, operands first.
  std::vector<uint32_t> needed(int s) {
    if (cost_.empty()) {
      for (uint32_t id = 0; id < k_.exprs.size(); ++id) cost_.push_back(cost(id));
    }
    std::vector<bool> want(k_.exprs.size());
    for (uint32_t id = 0; id < k_.exprs.size(); ++id) {
      if (is_root(id, s)) want[node(id).in[0]] = true;
    }
    for (const loop::Store& store : k_.stores) {
      if (inner_store(store) && stage_[store.value] == s) want[store.value] = true;
    }
    std::vector<uint32_t> out;
    for (uint32_t id = static_cast<uint32_t>(k_.exprs.size()); id-- > 0;) {
      if (!want[id] || level_[id] != Level::Inner) continue;
      if (computed_[id] && worth_keeping(id)) {
        kept_[id] = true;
        continue;
      }
      out.push_back(id);
      for (uint32_t in : operands(id)) want[in] = true;
    }
    std::reverse(out.begin(), out.end());
    for (uint32_t id : out) computed_[id] = true;
    return out;
  }

  /// A slot with one element per element of the block.
  int block_slot(uint32_t id, int s) {
    if (level_[id] == Level::Inner) return slot_[id];
    std::vector<int>& list = stage(s).repeats;
    for (int r : list) {
      if (plan_.slots[static_cast<size_t>(r)].ref == slot_[id]) return r;
    }
    int slot = add_slot(SlotKind::Repeat, node(id).dtype, slot_[id]);
    list.push_back(slot);
    return slot;
  }

  void blocks(int s, const std::vector<uint32_t>& work) {
    Stage& st = stage(s);
    last_use_.assign(k_.exprs.size(), 0);
    for (uint32_t id : work) {
      for (uint32_t in : operands(id)) last_use_[in] = id;
    }
    free_.clear();
    attach(s, work, false);
    for (uint32_t id : work) {
      const ExprNode& n = node(id);
      if (is_leaf(n.op)) {
        bool there = whole_tile_blocks() && slot_[id] >= 0;
        if (!there) {
          slot_[id] = add_slot(SlotKind::Stream, n.dtype, add_source(n, true));
          st.streams.push_back(slot_[id]);
        }
      } else {
        compute(id, s);
      }
      attach_to(id, s, true);
    }
  }

  void compute(uint32_t id, int s) {
    const ExprNode& n = node(id);
    Stage& st = stage(s);
    Instr instr;
    unsigned wanted = 0, mask = 0;
    std::span<const uint32_t> in = operands(id);
    for (size_t i = 0; i < in.size(); ++i) {
      if (scalar_slot(level_[in[i]])) wanted |= 1u << i;
    }
    instr.fn = pick_loop(id, wanted, mask);
    for (size_t i = 0; i < in.size(); ++i) {
      bool scalar = (mask >> i & 1) != 0;
      instr.in[i] = scalar ? slot_[in[i]] : block_slot(in[i], s);
    }
    // Operands that end here make room: for the result itself when the sizes agree.
    std::vector<int> later;
    for (size_t i = 0; i < in.size(); ++i) {
      bool again = std::find(in.begin(), in.begin() + i, in[i]) != in.begin() + i;
      if (again || level_[in[i]] != Level::Inner || last_use_[in[i]] != id) continue;
      int taken = slot_[in[i]];
      const Slot& slot = plan_.slots[static_cast<size_t>(taken)];
      if (slot.kind != SlotKind::Register) continue;
      (slot.itemsize == itemsize(n.dtype) ? free_ : later).push_back(taken);
    }
    slot_[id] = result_slot(id, s);
    instr.out = slot_[id];
    free_.insert(free_.end(), later.begin(), later.end());
    st.compute.push_back(instr);
    st.steps.push_back({BlockStep::Compute, static_cast<int>(st.compute.size()) - 1});
    plan_.cost += is_func(n.op) ? 8 : 1;
    if (!fused_[id]) return;
    for (uint32_t i : fused_[id]->inside) plan_.cost += is_func(node(i).op) ? 8 : 1;
  }

  int result_slot(uint32_t id, int s) {
    DType t = node(id).dtype;
    if (kept_[id]) return add_slot(SlotKind::Kept, t);
    for (size_t i = 0; i < k_.stores.size(); ++i) {
      const loop::Store& store = k_.stores[i];
      if (store.value != id || !inner_store(store) || stage_[id] != s) continue;
      int slot = add_slot(SlotKind::Out, t, static_cast<int>(i));
      stage(s).outs.push_back(slot);
      return slot;
    }
    for (size_t f = free_.size(); f-- > 0;) {
      if (plan_.slots[static_cast<size_t>(free_[f])].itemsize != itemsize(t)) continue;
      int slot = free_[f];
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(f));
      return slot;
    }
    return add_slot(SlotKind::Register, t);
  }

  /// Reductions and stores of values that this stage does not compute.
  void attach(int s, const std::vector<uint32_t>& work, bool computed) {
    for (uint32_t id = 0; id < k_.exprs.size(); ++id) {
      if (std::find(work.begin(), work.end(), id) == work.end()) attach_to(id, s, computed);
    }
  }

  void attach_to(uint32_t id, int s, bool computed) {
    Stage& st = stage(s);
    bool used = false;
    for (uint32_t r = id; r < k_.exprs.size(); ++r) {
      if (!is_root(r, s) || node(r).in[0] != id) continue;
      used = true;
      st.reduces.push_back(reduce_step(r, s));
      st.steps.push_back({BlockStep::Reduce, static_cast<int>(st.reduces.size()) - 1});
      plan_.cost += 1;
    }
    for (size_t i = 0; i < k_.stores.size(); ++i) {
      const loop::Store& store = k_.stores[i];
      if (store.value != id || !inner_store(store) || stage_[id] != s) continue;
      used = true;
      StoreStep step{static_cast<int>(i), block_slot(id, s), -1};
      const Slot& slot = plan_.slots[static_cast<size_t>(step.from)];
      if (slot.kind == SlotKind::Out && slot.ref == static_cast<int>(i)) step.out = step.from;
      st.stores.push_back(step);
      st.steps.push_back({BlockStep::Store, static_cast<int>(st.stores.size()) - 1});
      plan_.cost += 1;
    }
    // Nothing after these steps reads it: the register is free again.
    bool dead = computed && used && last_use_[id] == 0 && slot_[id] >= 0;
    if (dead && plan_.slots[static_cast<size_t>(slot_[id])].kind == SlotKind::Register) {
      free_.push_back(slot_[id]);
    }
  }

  ReduceStep reduce_step(uint32_t id, int s) {
    const ExprNode& n = node(id);
    ReduceStep r;
    r.reduction = static_cast<int>(n.bits);
    r.kind = k_.reductions[n.bits].kind;
    r.dtype = node(n.in[0]).dtype;
    r.operand = block_slot(n.in[0], s);
    r.result = slot_[id];
    if (is_arg(r.kind)) {
      r.args = arg_loops(lane_op(r.kind), r.dtype, plan_.isa);
    } else {
      r.lanes = lane_loops(lane_op(r.kind), r.dtype, plan_.isa);
      r.combine = find_loop(combiner(r.kind), r.dtype, r.dtype, 0, plan_.isa);
      r.identity = identity_bits(r.kind, r.dtype);
      r.empty = r.kind == ReduceKind::Sum ? 0 : r.identity;
    }
    bool loops = is_arg(r.kind) ? r.args != nullptr : r.lanes != nullptr && r.combine != nullptr;
    if (!loops) fail_internal(cat("no reduction loop on ", r.dtype));
    return r;
  }

  const loop::Kernel& k_;
  BlockPlan plan_;
  std::vector<Level> level_;
  std::vector<int> stage_, slot_, cost_;
  std::vector<bool> computed_, kept_;
  std::vector<uint32_t> last_use_;
  std::vector<int> free_;
  std::vector<std::optional<FusedNode>> fused_;
};

}  // namespace

BlockPlan make_block_plan(const loop::Kernel& k, Shape2 shape, Isa isa) {
  return Planner(k, shape, isa).build();
}

}  // namespace etch::runtime
