#include "ir/loop/lower.h"

#include "ir/loop/lowering.h"
#include "ir/ops/create.h"
#include "ir/scalar/eval.h"

namespace etch::ir::loop {

namespace {

std::vector<uint64_t> memo_key(Value v, const IndexMap& map) {
  std::vector<uint64_t> key{v.node};
  for (const Affine& e : map) {
    key.push_back(e.terms.size());
    for (const AxisTerm& t : e.terms) {
      key.push_back(static_cast<uint64_t>(t.axis));
      key.push_back(t.coefficient.raw());
    }
    key.push_back(e.offset.raw());
  }
  return key;
}

/// A constant's only element, zero-extended.
uint64_t first_element(const Constant& c) {
  uint64_t bits = 0;
  std::memcpy(&bits, c.data.get(), itemsize(c.dtype));
  return bits;
}

}  // namespace

IndexMap without_unit_dims(IndexMap map, std::span<const Dim> shape) {
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d].is(1)) map[d] = Affine{};
  }
  return map;
}

Lowering::Lowering(const Graph& group, OperandViews views) : g_(group), views_(views) {
  find_sources();
  choose_anchor();
}

void Lowering::find_sources() {
  for (size_t i = 0; i < g_.inputs().size(); ++i) {
    Value v = g_.inputs()[i].value;
    Source s{static_cast<int>(i), contiguous_view(g_.type(v).shape)};
    if (i < views_.size()) s.view = views_[i];
    sources_[v.node] = std::move(s);
  }
  for (NodeId id : g_) {
    const Node& n = g_.node(id);
    if (!n.op->is_view()) continue;
    auto operand = sources_.find(n.inputs[0].node);
    if (operand == sources_.end()) continue;
    Source s = operand->second;
    if (n.op->view(n.attrs.data(), n.outputs[0].shape, s.view)) sources_[id] = std::move(s);
  }
}

Kernel Lowering::run() {
  constexpr int kMaxSplits = 32;
  for (int i = 0; i <= kMaxSplits; ++i) {
    try {
      attempt();
      return finish();
    } catch (const NeedsSplit& s) {
      split_axis(s.split);
    }
  }
  throw Cut{"its axes do not line up"};
}

void Lowering::attempt() {
  build_axes();
  exprs_ = ExprGraph();
  memo_.clear();
  recorded_.clear();
  stack_.clear();
  loads_.clear();
  stores_.clear();
  reductions_.clear();
  reduce_keys_.clear();
  params_.clear();
  if (!inner_axes_.empty()) pull(anchor_, anchor_map_);
  int output = static_cast<int>(g_.inputs().size());
  for (const GraphResult& r : g_.results()) {
    IndexMap map = result_map(r.value);
    PendingStore store;
    store.value = pull(r.value, map);
    store.inner = uses_inner(map);
    store.access.buffer = output++;
    store.access.at = address(contiguous_strides(g_.type(r.value).shape), Dim(0), map);
    stores_.push_back(std::move(store));
  }
}

uint32_t Lowering::pull(Value v, const IndexMap& map) {
  stack_.push_back({v, map});
  uint32_t last = kNoExpr;
  while (!stack_.empty()) {
    size_t depth = stack_.size();
    Demand d = stack_.back();
    std::vector<uint64_t> key = memo_key(d.value, d.map);
    auto known = memo_.find(key);
    if (known != memo_.end()) {
      last = known->second;
      stack_.pop_back();
      continue;
    }
    recorded_.try_emplace(d.value.node, d.map);
    std::optional<uint32_t> made = try_make(d);
    if (!made) {
      invariant(stack_.size() > depth, "a demand neither made a value nor asked for one");
      continue;
    }
    last = memo_[std::move(key)] = *made;
    stack_.pop_back();
  }
  return last;
}

std::optional<uint32_t> Lowering::need(Value v, const IndexMap& map) {
  IndexMap exact = without_unit_dims(map, g_.type(v).shape);
  auto known = memo_.find(memo_key(v, exact));
  if (known != memo_.end()) return known->second;
  stack_.push_back({v, std::move(exact)});
  return std::nullopt;
}

std::optional<uint32_t> Lowering::try_make(const Demand& d) {
  const Node& n = g_.node(d.value.node);
  auto source = sources_.find(d.value.node);
  if (source != sources_.end()) return make_load(source->second, n.outputs[0].dtype, d.map);
  switch (n.op->kind) {
    case OpKind::Elementwise:
      return make_elementwise(n, d.map);
    case OpKind::Reduction:
      return make_reduction(n, d.map);
    case OpKind::View:
      return make_view(n, d.map);
    default:
      return make_leaf(n, d.map);
  }
}

std::optional<uint32_t> Lowering::make_load(const Source& s, DType dtype, const IndexMap& map) {
  PendingAccess access{s.input, address(s.view.strides, s.view.offset, map)};
  for (size_t i = 0; i < loads_.size(); ++i) {
    if (loads_[i].buffer == access.buffer && same(loads_[i].at, access.at)) {
      return exprs_.load(dtype, i).id;
    }
  }
  loads_.push_back(std::move(access));
  return exprs_.load(dtype, loads_.size() - 1).id;
}

std::optional<uint32_t> Lowering::make_elementwise(const Node& n, const IndexMap& map) {
  if (n.op->scalar == nullptr) throw Cut{cat("'", n.op->name(), "' has no scalar form")};
  SmallVec<Expr, 4> in;
  for (size_t i = n.inputs.size(); i-- > 0;) {
    size_t rank = g_.type(n.inputs[i]).shape.size();
    invariant(rank <= map.size(), "an operand has more dims than the result");
    IndexMap trailing(map.end() - static_cast<std::ptrdiff_t>(rank), map.end());
    std::optional<uint32_t> e = need(n.inputs[i], trailing);
    in.insert(0, {&exprs_, e.value_or(kNoExpr)});
  }
  for (const Expr& e : in) {
    if (e.id == kNoExpr) return std::nullopt;
  }
  Expr out = n.op->scalar(n.attrs.data(), in);
  if (out.dtype() != n.outputs[0].dtype) {
    fail_internal(cat("scalar form of ", n.op->name(), " gives ", out.dtype(), ", its type says ",
                      n.outputs[0].dtype));
  }
  return out.id;
}

std::optional<uint32_t> Lowering::make_reduction(const Node& n, const IndexMap& map) {
  ReduceShape r = reduce_shape(n);
  AxisSplit split;
  std::optional<IndexMap> inner;
  if (r.trivial()) {
    inner = IndexMap(r.sizes.size());
  } else {
    check_rows(n, map);
    inner = assign_axes(r.sizes, inner_axes_, sizes_, split);
  }
  if (!inner) {
    if (split.axis >= 0) throw NeedsSplit{split};
    throw Cut{"its reductions run over different axes"};
  }
  IndexMap operand(r.reduced.size());
  size_t kept_at = 0, inner_at = 0;
  for (size_t d = 0; d < operand.size(); ++d) {
    operand[d] = r.reduced[d] ? (*inner)[inner_at++] : map[kept_at];
    if (!r.reduced[d] || r.keepdims) ++kept_at;
  }
  std::optional<uint32_t> e = need(n.inputs[0], operand);
  if (!e) return std::nullopt;
  ReduceKind kind = n.op->reduce;
  DType result = n.outputs[0].dtype;
  Expr x{&exprs_, *e};
  bool position = kind == ReduceKind::ArgMax || kind == ReduceKind::ArgMin;
  if (r.trivial()) return position ? exprs_.lit_int(result, 0).id : cast(x, result).id;
  if (!position) x = cast(x, result);
  for (size_t i = 0; i < reduce_keys_.size(); ++i) {
    if (reduce_keys_[i] == std::pair(x.id, kind)) return exprs_.reduce(result, x, i).id;
  }
  reduce_keys_.emplace_back(x.id, kind);
  reductions_.push_back({kind});
  return exprs_.reduce(result, x, reductions_.size() - 1).id;
}

/// The operand's index under which a view reads its element `map`.
IndexMap Lowering::operand_map(const Node& n, const IndexMap& map) {
  const Shape& shape = g_.type(n.inputs[0]).shape;
  const Shape& out_shape = n.outputs[0].shape;
  IndexMap out;
  for (size_t i = 0; i < shape.size(); ++i) {
    // With stride 1 on dim i alone, the view's strides are the factors of that dim's index.
    StridedView probe{shape, Shape(shape.size(), Dim(0)), Dim(0)};
    probe.strides[i] = Dim(1);
    if (!n.op->view(n.attrs.data(), out_shape, probe)) break;
    out.push_back(address(probe.strides, probe.offset, map));
  }
  if (out.size() == shape.size()) return out;

  StridedView flat = contiguous_view(shape);
  if (!n.op->view(n.attrs.data(), out_shape, flat)) {
    throw Cut{cat("'", n.op->name(), "' reads no window on its operand")};
  }
  AxisSplit split;
  auto exact = unflatten(address(flat.strides, flat.offset, map), shape, sizes_, split);
  if (exact) return *exact;
  if (split.axis >= 0) throw NeedsSplit{split};
  throw Cut{cat("'", n.op->name(), "' mixes axes")};
}

std::optional<uint32_t> Lowering::make_view(const Node& n, const IndexMap& map) {
  return need(n.inputs[0], operand_map(n, map));
}

/// A size as an i64 expression.
Expr Lowering::size_expr(Dim d) {
  if (d.is_const()) return exprs_.lit_int(DType::I64, d.value());
  params_.push_back(d);
  return exprs_.param(DType::I64, params_.size() - 1);
}

/// start + step * index.
Expr Lowering::range_expr(const Node& n, const Affine& at) {
  const auto& a = n.attrs.as<Arange::Attrs>();
  Expr index = size_expr(at.offset);
  for (const AxisTerm& t : at.terms) {
    Expr i = exprs_.index(static_cast<uint64_t>(t.axis));
    index = index + (t.coefficient.is(1) ? i : i * size_expr(t.coefficient));
  }
  Expr value = exprs_.lit_int(DType::I64, a.start) + index * exprs_.lit_int(DType::I64, a.step);
  return cast(value, a.dtype);
}

std::optional<uint32_t> Lowering::make_leaf(const Node& n, const IndexMap& map) {
  if (is_constant(n) && shape_numel(n.outputs[0].shape).is(1)) {
    return exprs_.lit_bits(n.outputs[0].dtype, first_element(*n.constant)).id;
  }
  if (n.op == &op_def<Full>()) {
    const auto& a = n.attrs.as<Full::Attrs>();
    return exprs_.lit_bits(a.value.dtype, a.value.bits).id;
  }
  if (n.op == &op_def<DimValue>()) {
    const auto& a = n.attrs.as<DimValue::Attrs>();
    return cast(size_expr(a.dim[0]), a.dtype).id;
  }
  if (n.op == &op_def<Arange>()) return range_expr(n, map[0]).id;
  throw Cut{cat("'", n.op->name(), "' has no scalar form")};
}

Lowered lower(const Graph& group, OperandViews views) {
  Lowered out;
  if (group.results().empty()) {
    out.reason = "it has no results";
    return out;
  }
  try {
    out.kernel = Lowering(group, views).run();
  } catch (const Cut& cut) {
    out.reason = cut.reason;
  } catch (const UserError& e) {
    out.reason = e.what();  // a symbolic size that a view rule has to decide
  }
  return out;
}

Lowered lower_op(const OpDef& op, std::span<const TensorType> in, const void* attrs,
                 OperandViews views) {
  Graph g;
  SmallVec<Value, 4> operands;
  for (size_t i = 0; i < in.size(); ++i) operands.push_back(g.add_input(cat("x", i), in[i]));
  Types outputs = infer_types(op, in, attrs);
  AttrBox box = attrs == nullptr ? AttrBox{} : AttrBox::copy(*op.schema, attrs);
  NodeId id = g.add_node(op, operands, std::move(box), std::move(outputs));
  for (uint32_t i = 0; i < g.node(id).outputs.size(); ++i) g.add_result({id, i}, cat("y", i));
  return lower(g, views);
}

}  // namespace etch::ir::loop
