// From pending accesses to the kernel: dead parts dropped, axes ordered and merged, a name.
#include "ir/loop/lowering.h"

namespace etch::ir::loop {

namespace {

struct AxisPlan {
  Shape outer, inner;
  std::vector<Shape> strides;  // per access: outer axes, then inner axes
  std::vector<int> axes;       // the lowering's number of each
};

/// Strides of `e` along `axes`.
Shape strides_along(const Affine& e, std::span<const int> axes) {
  Shape out;
  for (int a : axes) {
    Dim stride(0);
    for (const AxisTerm& t : e.terms) {
      if (t.axis == a) stride = t.coefficient;
    }
    out.push_back(stride);
  }
  return out;
}

/// Joins axis i with axis i + 1 wherever every access walks both as one and no expression asks for
/// the position along either. `axes` keeps the first of each joined run.
void merge_axes(Shape& sizes, std::vector<Shape>& strides, std::vector<int>& axes,
                const std::vector<bool>& indexed) {
  for (size_t i = sizes.size(); i-- > 1;) {
    if (indexed[static_cast<size_t>(axes[i])] || indexed[static_cast<size_t>(axes[i - 1])])
      continue;
    bool one = std::all_of(strides.begin(), strides.end(), [&](const Shape& s) {
      return dim_equal(s[i - 1], s[i] * sizes[i]) == Truth::Yes;
    });
    if (!one) continue;
    sizes[i - 1] = sizes[i - 1] * sizes[i];
    sizes.erase(i);
    axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(i));
    for (Shape& s : strides) s.erase(i - 1);
  }
}

AxisPlan plan_axes(std::span<const Affine* const> accesses, std::vector<int> outer,
                   std::vector<int> inner, const Shape& sizes, const std::vector<bool>& indexed) {
  AxisPlan plan;
  std::vector<Shape> inner_strides;
  for (int a : outer) plan.outer.push_back(sizes[static_cast<size_t>(a)]);
  for (int a : inner) plan.inner.push_back(sizes[static_cast<size_t>(a)]);
  for (const Affine* e : accesses) {
    plan.strides.push_back(strides_along(*e, outer));
    inner_strides.push_back(strides_along(*e, inner));
  }
  merge_axes(plan.outer, plan.strides, outer, indexed);
  merge_axes(plan.inner, inner_strides, inner, indexed);
  plan.axes = std::move(outer);
  plan.axes.insert(plan.axes.end(), inner.begin(), inner.end());
  for (size_t i = 0; i < accesses.size(); ++i) {
    plan.strides[i].append(inner_strides[i].data(), inner_strides[i].size());
  }
  return plan;
}

std::string kernel_name(const Graph& g) {
  constexpr size_t kLongest = 56;
  std::string out = "k";
  for (NodeId id : g) {
    const Node& n = g.node(id);
    if (n.op->kind == OpKind::Structural || n.op->is_view()) continue;
    if (out.size() + n.op->name().size() + 1 > kLongest) break;
    out += cat('_', n.op->name());
  }
  return out;
}

}  // namespace

Kernel Lowering::finish() const {
  std::vector<uint32_t> roots;
  for (const PendingStore& s : stores_) roots.push_back(s.value);
  ExprGraph folded;
  std::vector<uint32_t> values = fold(folded, exprs_, roots);
  std::vector<const Affine*> accesses;
  std::vector<bool> used(loads_.size()), indexed(sizes_.size());
  for (const ExprNode& n : folded.nodes()) {
    if (n.op == Prim::Load) used[n.bits] = true;
    if (n.op == Prim::Index) indexed[n.bits] = true;
  }
  for (size_t l = 0; l < loads_.size(); ++l) {
    if (used[l]) accesses.push_back(&loads_[l].at);
  }
  for (const PendingStore& s : stores_) accesses.push_back(&s.access.at);
  std::vector<int> outer = outer_axes_, inner = inner_axes_;
  const bool reduces = std::any_of(folded.nodes().begin(), folded.nodes().end(),
                                   [](const ExprNode& n) { return n.op == Prim::Reduce; });
  if (!reduces && !inner.empty()) {
    // Folding left no reduction, as in argmin along an axis of size 1: there is one loop only.
    auto is_inner = [](const PendingStore& s) { return s.inner; };
    if (std::any_of(stores_.begin(), stores_.end(), is_inner)) {
      if (!std::all_of(stores_.begin(), stores_.end(), is_inner)) {
        throw Cut{"it stores rows and elements and reduces nothing"};
      }
      outer.insert(outer.end(), inner.begin(), inner.end());
    }
    inner.clear();
  }
  AxisPlan plan = plan_axes(accesses, std::move(outer), std::move(inner), sizes_, indexed);

  Kernel k;
  k.name = kernel_name(g_);
  k.outer = plan.outer;
  k.inner = plan.inner;
  if (k.axes() > 2 * kMaxRank) throw Cut{"it has too many axes"};
  for (const GraphInput& in : g_.inputs()) k.inputs.push_back({g_.type(in.value).dtype});
  for (const GraphResult& r : g_.results()) k.outputs.push_back({g_.type(r.value).dtype});
  std::vector<uint64_t> load_ids(loads_.size());
  size_t at = 0;
  for (size_t l = 0; l < loads_.size(); ++l) {
    if (!used[l]) continue;
    load_ids[l] = k.loads.size();
    k.loads.push_back({loads_[l].buffer, plan.strides[at++], loads_[l].at.offset});
  }
  std::vector<uint32_t> to = renumber(folded, load_ids, plan.axes, k);
  for (size_t s = 0; s < stores_.size(); ++s) {
    Access access{stores_[s].access.buffer, plan.strides[at++], stores_[s].access.at.offset};
    k.stores.push_back({std::move(access), to[values[s]], stores_[s].inner && reduces});
  }
  return k;
}

/// Copies the expressions into `k` with the kernel's numbers for loads, axes, params and reductions
/// (those in dependency order).
std::vector<uint32_t> Lowering::renumber(const ExprGraph& from, std::span<const uint64_t> load_ids,
                                         std::span<const int> axes, Kernel& k) const {
  std::vector<uint64_t> param_ids(params_.size(), kNoExpr);
  std::vector<uint32_t> to;
  for (const ExprNode& old : from.nodes()) {
    ExprNode n = old;
    for (int i = 0; i < arity(n.op); ++i) n.in[i] = to[n.in[i]];
    if (n.op == Prim::Load) {
      n.bits = load_ids[n.bits];
    } else if (n.op == Prim::Index) {
      auto axis = std::find(axes.begin(), axes.end(), static_cast<int>(n.bits));
      n.bits = static_cast<uint64_t>(axis - axes.begin());
    } else if (n.op == Prim::Param) {
      uint64_t& id = param_ids[n.bits];
      if (id == kNoExpr) {
        id = k.params.size();
        k.params.push_back(params_[n.bits]);
      }
      n.bits = id;
    } else if (n.op == Prim::Reduce) {
      k.reductions.push_back(reductions_[n.bits]);
      n.bits = k.reductions.size() - 1;
    }
    to.push_back(k.exprs.add(n).id);
  }
  return to;
}

}  // namespace etch::ir::loop
