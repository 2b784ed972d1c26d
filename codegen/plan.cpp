#include "codegen/plan.h"

#include <algorithm>
#include <array>

#include "ir/support/error.h"

namespace etch::codegen {

namespace {

using ir::ExprNode;
using ir::Prim;

// Larger kernels take seconds to compile; the interpreter runs them as well.
constexpr size_t kMaxNodes = 6000;
// A value is kept in a row buffer when computing it again costs at least this many operations.
constexpr int kKeepCost = 8;
constexpr size_t kMaxKept = 3;

PlanAccess make_access(const ir::loop::Access& a, DType dtype) {
  PlanAccess out{a.buffer, dtype, {}};
  for (Dim s : a.strides) {
    out.steps.push_back(s.is(0) ? Step::Zero : s.is(1) ? Step::One : Step::Any);
  }
  return out;
}

uint64_t access_axes(const PlanAccess& a) {
  uint64_t out = 0;
  for (size_t i = 0; i < a.steps.size(); ++i) {
    if (a.steps[i] != Step::Zero) out |= uint64_t{1} << i;
  }
  return out;
}

int cost(const ExprNode& n) {
  if (ir::is_leaf(n.op) || n.op == Prim::Reduce) return 0;
  if (n.op == Prim::Div || n.op == Prim::Rem || n.op == Prim::Sqrt)
    return is_float(n.dtype) ? 5 : 12;
  return 1;
}

void find_dependences(KernelPlan& p) {
  p.axes.assign(p.nodes.size(), 0);
  p.depth.assign(p.nodes.size(), 0);
  for (uint32_t id = 0; id < p.nodes.size(); ++id) {
    const ExprNode& n = p.nodes[id];
    if (n.op == Prim::Load) p.axes[id] = access_axes(p.loads[n.bits]);
    if (n.op == Prim::Index) p.axes[id] = uint64_t{1} << n.bits;
    for (int i = 0; i < ir::arity(n.op); ++i) {
      p.axes[id] |= p.axes[n.in[i]];
      p.depth[id] = std::max(p.depth[id], p.depth[n.in[i]]);
    }
    if (n.op != Prim::Reduce) continue;
    p.axes[id] &= p.outer_mask();
    size_t stage = static_cast<size_t>(p.depth[id]++);
    if (p.stages.size() <= stage) p.stages.resize(stage + 1);
    p.stages[stage].push_back(id);
  }
}

/// Inner stores wait for the last loop: an output may be the memory of an input.
void place_stores(KernelPlan& p) {
  p.store_stage = std::max<int>(0, static_cast<int>(p.stages.size()) - 1);
  for (const PlanStore& s : p.stores) {
    if (s.inner) p.store_stage = std::max(p.store_stage, p.depth[s.value]);
  }
}

std::vector<uint32_t> stage_roots(const KernelPlan& p, int stage) {
  std::vector<uint32_t> roots;
  if (stage < static_cast<int>(p.stages.size())) {
    for (uint32_t r : p.stages[static_cast<size_t>(stage)]) roots.push_back(p.nodes[r].in[0]);
  }
  if (stage == p.store_stage) {
    for (const PlanStore& s : p.stores) {
      if (s.inner) roots.push_back(s.value);
    }
  }
  return roots;
}

/// Marks the inner nodes that `roots` need; stops at reductions and at nodes in `stop`.
std::vector<bool> inner_cone(const KernelPlan& p, std::span<const uint32_t> roots,
                             const std::vector<bool>& stop) {
  std::vector<bool> need(p.nodes.size(), false);
  for (uint32_t r : roots) need[r] = true;
  for (uint32_t id = static_cast<uint32_t>(p.nodes.size()); id-- > 0;) {
    if (!need[id] || !p.is_inner(id)) {
      need[id] = false;
      continue;
    }
    if (stop[id] || p.nodes[id].op == Prim::Reduce) continue;
    for (int i = 0; i < ir::arity(p.nodes[id].op); ++i) need[p.nodes[id].in[i]] = true;
  }
  return need;
}

/// Chooses the values worth keeping: computed in an earlier loop, used in a later one, expensive.
void choose_kept(KernelPlan& p) {
  int loops = std::max<int>(p.store_stage + 1, static_cast<int>(p.stages.size()));
  std::vector<bool> done(p.nodes.size(), false), kept(p.nodes.size(), false), none = done;
  for (int s = 0; s < loops; ++s) {
    std::vector<uint32_t> roots = stage_roots(p, s);
    std::vector<bool> need = inner_cone(p, roots, none);
    std::vector<bool> frontier = inner_cone(p, roots, done);
    for (uint32_t id = 0; id < p.nodes.size(); ++id) {
      if (!frontier[id] || !done[id] || kept[id] || p.kept.size() == kMaxKept) continue;
      std::vector<bool> cone = inner_cone(p, {&id, 1}, kept);
      int total = 0;
      for (uint32_t n = 0; n < p.nodes.size(); ++n) total += cone[n] ? cost(p.nodes[n]) : 0;
      if (total < kKeepCost) continue;
      kept[id] = true;
      p.kept.push_back(id);
    }
    for (uint32_t id = 0; id < p.nodes.size(); ++id) done[id] = done[id] || need[id];
  }
}

/// Rows when most accesses that move over the inner axes are contiguous there.
void choose_skeleton(KernelPlan& p) {
  if (p.inner == 0) {
    p.skeleton = Skeleton::Pointwise;
    return;
  }
  int row = 0, column = 0;
  for (int i = 0; i < static_cast<int>(p.loads.size() + p.stores.size()); ++i) {
    const PlanAccess& a = p.access(i);
    if ((access_axes(a) & p.inner_mask()) == 0) continue;
    if (a.steps.back() == Step::One) ++row;
    if (p.outer > 0 && a.steps[static_cast<size_t>(p.outer - 1)] == Step::One) ++column;
  }
  p.skeleton = column > row ? Skeleton::Column : Skeleton::Row;
}

/// The width that most nodes have, but wide enough that no value takes more than four registers.
void choose_lane_bits(KernelPlan& p) {
  std::array<int, 4> count{};
  int widest = 8;
  auto note = [&](DType t, int weight) {
    count[static_cast<size_t>(bits(t) == 8    ? 0
                              : bits(t) == 16 ? 1
                              : bits(t) == 32 ? 2
                                              : 3)] += weight;
    widest = std::max(widest, bits(t));
  };
  for (const ExprNode& n : p.nodes) {
    if (n.op != Prim::Lit && !is_bool(n.dtype)) note(n.dtype, n.op == Prim::Index ? 0 : 2);
    if (is_bool(n.dtype) && n.op == Prim::Load) note(n.dtype, 1);
  }
  for (const PlanStore& s : p.stores) note(s.access.dtype, 1);
  size_t best = 0;
  for (size_t i = 1; i < 4; ++i) {
    if (count[i] >= count[best]) best = i;
  }
  p.lane_bits = std::max(8 << best, widest / 4);
}

/// Functions may expand into functions.
ir::ExprGraph expand_all(const ir::ExprGraph& from, std::vector<uint32_t>& roots) {
  ir::ExprGraph graph;
  roots = ir::expand(graph, from, roots);
  auto is_func = [](const ExprNode& n) { return ir::is_func(n.op); };
  while (std::any_of(graph.nodes().begin(), graph.nodes().end(), is_func)) {
    ir::ExprGraph next;
    roots = ir::expand(next, graph, roots);
    graph = std::move(next);
  }
  return graph;
}

}  // namespace

PlanResult make_plan(const ir::loop::Kernel& kernel) {
  KernelPlan p;
  p.name = kernel.name;
  p.outer = static_cast<int>(kernel.outer.size());
  p.inner = static_cast<int>(kernel.inner.size());
  p.params = static_cast<int>(kernel.params.size());
  std::vector<uint32_t> roots;
  for (const ir::loop::Store& s : kernel.stores) roots.push_back(s.value);
  ir::ExprGraph graph = expand_all(kernel.exprs, roots);
  p.nodes = graph.nodes();
  if (p.nodes.size() > kMaxNodes) {
    return {std::nullopt,
            cat("kernel of ", p.nodes.size(), " scalar operations, limit ", kMaxNodes)};
  }
  for (const ExprNode& n : p.nodes) {
    if (!contains(kSupported, n.dtype)) return {std::nullopt, cat("element type ", n.dtype)};
    if (n.op == Prim::Arg) return {std::nullopt, "a free argument in a kernel"};
  }
  for (const ir::loop::Access& a : kernel.loads) {
    bool input = static_cast<size_t>(a.buffer) < kernel.inputs.size();
    size_t at = static_cast<size_t>(a.buffer) - (input ? 0 : kernel.inputs.size());
    p.loads.push_back(make_access(a, (input ? kernel.inputs : kernel.outputs)[at].dtype));
  }
  for (size_t i = 0; i < kernel.stores.size(); ++i) {
    const ir::loop::Store& s = kernel.stores[i];
    size_t at = static_cast<size_t>(s.access.buffer) - kernel.inputs.size();
    p.stores.push_back({make_access(s.access, kernel.outputs[at].dtype), roots[i], s.inner});
  }
  for (const ir::loop::Reduction& r : kernel.reductions) p.reductions.push_back(r.kind);
  find_dependences(p);
  place_stores(p);
  choose_skeleton(p);
  choose_lane_bits(p);
  if (p.skeleton == Skeleton::Row) choose_kept(p);
  return {std::move(p), ""};
}

}  // namespace etch::codegen
