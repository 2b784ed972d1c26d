// Which axes the kernel has, and how each result runs along them.
#include "ir/loop/lowering.h"

namespace etch::ir::loop {

bool Lowering::ReduceShape::trivial() const {
  return std::all_of(sizes.begin(), sizes.end(), [](Dim d) { return d.is(1); });
}

Lowering::ReduceShape Lowering::reduce_shape(const Node& n) const {
  invariant(n.op->schema == &attr_schema<ReduceAttrs>(), "a reduction with attributes of its own");
  const ReduceAttrs& a = n.attrs.as<ReduceAttrs>();
  const Shape& shape = g_.type(n.inputs[0]).shape;
  ReduceShape r;
  r.keepdims = a.keepdims;
  r.reduced.resize(shape.size());
  for (int64_t axis : normalize_axes(n.op->name(), a.axes, static_cast<int>(shape.size()))) {
    r.reduced[static_cast<size_t>(axis)] = true;
    r.sizes.push_back(shape[static_cast<size_t>(axis)]);
  }
  return r;
}

void Lowering::choose_anchor() {
  anchor_ = g_.results()[0].value;
  for (NodeId id : g_) {
    const Node& n = g_.node(id);
    if (n.op->kind != OpKind::Reduction) continue;
    ReduceShape r = reduce_shape(n);
    if (r.trivial()) continue;
    anchor_ = n.inputs[0];
    anchor_inner_ = r.reduced;
    break;
  }
  const Shape& shape = g_.type(anchor_).shape;
  anchor_inner_.resize(shape.size());
  for (Dim d : shape) {
    factors_.push_back(d.is(1) ? std::vector<Dim>{} : std::vector<Dim>{d});
  }
}

void Lowering::build_axes() {
  sizes_.clear();
  inner_.clear();
  inner_axes_.clear();
  outer_axes_.clear();
  anchor_map_.assign(factors_.size(), Affine{});
  for (size_t d = 0; d < factors_.size(); ++d) {
    Dim radix(1);
    for (size_t f = factors_[d].size(); f-- > 0;) {
      int axis = static_cast<int>(sizes_.size() + f);
      anchor_map_[d].terms.insert(0, {axis, radix});
      radix = radix * factors_[d][f];
    }
    for (Dim size : factors_[d]) {
      (anchor_inner_[d] ? inner_axes_ : outer_axes_).push_back(static_cast<int>(sizes_.size()));
      sizes_.push_back(size);
      inner_.push_back(anchor_inner_[d]);
    }
  }
}

void Lowering::split_axis(const AxisSplit& split) {
  int first = 0;
  for (std::vector<Dim>& f : factors_) {
    int at = split.axis - first;
    first += static_cast<int>(f.size());
    if (at >= static_cast<int>(f.size())) continue;
    Dim& size = f[static_cast<size_t>(at)];
    size = size / split.inner;
    f.insert(f.begin() + at + 1, split.inner);
    return;
  }
}

void Lowering::check_rows(const Node& n, const IndexMap& kept) const {
  for (const Affine& e : kept) {
    for (int a : inner_axes_) {
      if (e.uses(a)) throw Cut{cat("'", n.op->name(), "' keeps an axis that another one reduces")};
    }
  }
  for (int a : outer_axes_) {
    bool used = std::any_of(kept.begin(), kept.end(), [&](const Affine& e) { return e.uses(a); });
    if (!used) throw Cut{cat("'", n.op->name(), "' would be repeated for every row")};
  }
}

bool Lowering::uses_inner(const IndexMap& map) const {
  return std::any_of(map.begin(), map.end(), [&](const Affine& e) {
    return std::any_of(e.terms.begin(), e.terms.end(),
                       [&](const AxisTerm& t) { return inner_[static_cast<size_t>(t.axis)]; });
  });
}

bool Lowering::whole(const Affine& e, Dim size) const {
  if (!e.offset.is(0)) return false;
  Dim radix(1);
  for (size_t t = e.terms.size(); t-- > 0;) {
    if (dim_equal(e.terms[t].coefficient, radix) != Truth::Yes) return false;
    radix = radix * sizes_[static_cast<size_t>(e.terms[t].axis)];
  }
  return dim_equal(radix, size) == Truth::Yes;
}

IndexMap Lowering::result_map(Value v) {
  const Shape& shape = g_.type(v).shape;
  IndexMap map(shape.size());
  std::vector<bool> done(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) done[d] = shape[d].is(1);
  if (v == anchor_) {
    map = anchor_map_;
    done.assign(shape.size(), true);
  } else {
    assign_from_hints(v, map, done);
  }
  if (!assign_leftover(shape, map, done)) throw Cut{"its results run over different axes"};
  check_result(shape, map);
  return map;
}

namespace {

void append_axes(std::vector<int>& out, const Affine& e) {
  for (const AxisTerm& t : e.terms) out.push_back(t.axis);
}

bool overlaps(const Affine& e, const IndexMap& map) {
  return std::any_of(map.begin(), map.end(), [&](const Affine& o) {
    return std::any_of(e.terms.begin(), e.terms.end(),
                       [&](const AxisTerm& t) { return o.uses(t.axis); });
  });
}

}  // namespace

/// Walks down from the result, following its dims, to values that already have a map.
void Lowering::assign_from_hints(Value result, IndexMap& map, std::vector<bool>& done) {
  std::vector<int> labels(map.size());
  for (size_t d = 0; d < labels.size(); ++d) labels[d] = static_cast<int>(d);
  std::vector<std::pair<Value, std::vector<int>>> queue{{result, labels}};
  std::vector<bool> seen(g_.capacity());
  for (size_t at = 0; at < queue.size(); ++at) {
    auto [v, from] = queue[at];
    if (seen[v.node]) continue;
    seen[v.node] = true;
    auto known = recorded_.find(v.node);
    if (known != recorded_.end()) {
      for (size_t d = 0; d < from.size(); ++d) {
        size_t target = static_cast<size_t>(from[d]);
        if (from[d] < 0 || done[target]) continue;
        const Affine& e = known->second[d];
        if (!whole(e, g_.type(result).shape[target]) || overlaps(e, map)) continue;
        map[target] = e;
        done[target] = true;
      }
    }
    if (std::all_of(done.begin(), done.end(), [](bool b) { return b; })) return;
    hint_operands(g_.node(v.node), from, queue);
  }
}

void Lowering::hint_operands(const Node& n, const std::vector<int>& labels,
                             std::vector<std::pair<Value, std::vector<int>>>& out) const {
  if (n.op->kind == OpKind::Elementwise) {
    for (Value v : n.inputs) {
      const Shape& shape = g_.type(v).shape;
      std::vector<int> to(labels.end() - static_cast<std::ptrdiff_t>(shape.size()), labels.end());
      for (size_t d = 0; d < shape.size(); ++d) {
        if (shape[d].is(1)) to[d] = -1;
      }
      out.emplace_back(v, std::move(to));
    }
  } else if (n.op->kind == OpKind::Reduction) {
    ReduceShape r = reduce_shape(n);
    std::vector<int> to(r.reduced.size(), -1);
    size_t next = 0;
    for (size_t d = 0; d < to.size(); ++d) {
      if (!r.reduced[d]) to[d] = labels[next];
      if (!r.reduced[d] || r.keepdims) ++next;
    }
    out.emplace_back(n.inputs[0], std::move(to));
  } else if (n.op->is_view()) {
    // A dim of the operand that one dim of the result walks alone keeps its label.
    const Shape& shape = g_.type(n.inputs[0]).shape;
    StridedView flat = contiguous_view(shape);
    if (!n.op->view(n.attrs.data(), n.outputs[0].shape, flat)) return;
    Shape strides = contiguous_strides(shape);
    std::vector<int> to(shape.size(), -1);
    for (size_t d = 0; d < shape.size(); ++d) {
      for (size_t o = 0; o < labels.size(); ++o) {
        bool match = strides[d].same_as(flat.strides[o]) && shape[d].same_as(flat.sizes[o]);
        if (match && !shape[d].is(1)) to[d] = labels[o];
      }
    }
    out.emplace_back(n.inputs[0], std::move(to));
  }
}

/// Gives the dims that are not done the axes nobody uses, in order.
bool Lowering::assign_leftover(std::span<const Dim> shape, IndexMap& map, std::vector<bool>& done) {
  Shape dims;
  std::vector<int> used, outer, all;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!done[d]) dims.push_back(shape[d]);
    append_axes(used, map[d]);
  }
  if (dims.empty()) return true;
  for (int a = 0; a < static_cast<int>(sizes_.size()); ++a) {
    if (std::find(used.begin(), used.end(), a) != used.end()) continue;
    all.push_back(a);
    if (!inner_[static_cast<size_t>(a)]) outer.push_back(a);
  }
  AxisSplit split;
  std::optional<IndexMap> found;
  if (!uses_inner(map)) found = assign_axes(dims, outer, sizes_, split);
  AxisSplit wide;
  if (!found) found = assign_axes(dims, all, sizes_, wide);
  if (!found) {
    if (wide.axis >= 0) split = wide;
    if (split.axis >= 0) throw NeedsSplit{split};
    return false;
  }
  size_t next = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!done[d]) map[d] = (*found)[next++];
  }
  return true;
}

void Lowering::check_result(std::span<const Dim> shape, const IndexMap& map) const {
  std::vector<int> used;
  for (size_t d = 0; d < shape.size(); ++d) {
    append_axes(used, map[d]);
    if (!whole(map[d], shape[d])) throw Cut{"a result takes part of an axis"};
  }
  std::sort(used.begin(), used.end());
  bool twice = std::adjacent_find(used.begin(), used.end()) != used.end();
  size_t expected = uses_inner(map) ? sizes_.size() : outer_axes_.size();
  if (twice || used.size() != expected) throw Cut{"a result does not cover the axes"};
}

}  // namespace etch::ir::loop
