#include "passes/batch_rules.h"

#include "ir/ops/contract.h"
#include "ir/ops/index.h"
#include "ir/ops/reduce.h"

namespace etch::passes {

using namespace etch::ir;

namespace {

/// Elements of one operator's largest operand or result up to which a launch is a good part of it.
constexpr int64_t kSmallElements = 4096;
/// The same for multiplications of a matrix product.
constexpr int64_t kSmallProducts = 32768;
/// Rows up to which a product is bound by reading its right side, which a batch reads once.
constexpr int64_t kFewRows = 4;

bool has_attr(const Node& n, std::string_view name) {
  for (int i = 0; i < n.attrs.count(); ++i) {
    if (n.attrs.name(i) == name) return true;
  }
  return false;
}

bool takes_indices(const Node& n) { return n.op->typed_to < static_cast<int>(n.inputs.size()); }
bool is_select(const Node& n) { return n.op == &op_def<IndexSelect>(); }
/// Operators whose indices stand for whole slices, all along the axis.
bool moves_slices(const Node& n) { return is_select(n) || n.op == &op_def<IndexAdd>(); }
/// Operators with one index per element.
bool moves_elements(const Node& n) {
  return n.op == &op_def<Gather>() || n.op == &op_def<ScatterAdd>();
}

int64_t numel(const TensorType& t) { return shape_numel(t.shape).value(); }

/// The attributes for operands with one more axis in front. What they mean goes by their names.
AttrBox with_leading_axis(const Graph& g, const Node& n, int64_t count) {
  if (n.attrs.count() == 0) return {};
  const int rank = g.type(n.inputs[0]).rank();
  std::shared_ptr<void> attrs = n.op->schema->clone(n.attrs.data());
  for (int i = 0; i < n.attrs.count(); ++i) {
    std::string_view name = n.attrs.name(i);
    AttrValue v = n.attrs.get(i);
    if (name == "axis") {
      int64_t& axis = std::get<int64_t>(v);
      axis = normalize_axis(n.op->name(), axis, rank) + 1;
    } else if (name == "axes" && n.op->is_view()) {  // a permutation
      Axes moved = {0};
      for (int64_t a : std::get<Axes>(v)) {
        moved.push_back(normalize_axis(n.op->name(), a, rank) + 1);
      }
      v = moved;
    } else if (name == "axes") {
      Axes moved = normalize_axes(n.op->name(), std::get<Axes>(v), rank);
      for (int64_t& a : moved) ++a;
      v = moved;
    } else if (name == "shape") {
      v = stacked_shape(count, n.outputs[0].shape);
    } else if (name == "low" || name == "high") {
      v = stacked_shape(0, std::get<Shape>(v));
    }
    n.op->schema->set(attrs.get(), i, v);
  }
  return {*n.op->schema, attrs};
}

/// A stacked operand with axes of size 1 after the first, so that it broadcasts to `rank` axes.
Value with_rank(Graph& g, Value v, int rank) {
  const Shape shape = g.type(v).shape;
  if (static_cast<int>(shape.size()) == rank + 1) return v;
  Shape padded = {shape[0]};
  for (int i = static_cast<int>(shape.size()); i < rank + 1; ++i) padded.push_back(Dim(1));
  for (size_t i = 1; i < shape.size(); ++i) padded.push_back(shape[i]);
  return emit_reshape(g, v, padded);
}

}  // namespace

Shape stacked_shape(int64_t count, const Shape& shape) {
  Shape out = {Dim(count)};
  for (Dim d : shape) out.push_back(d);
  return out;
}

bool has_batch_rule(const Graph& g, const Node& n) {
  if (n.inputs.empty() || n.outputs.size() != 1 || n.outputs[0].rank() >= kMaxRank) return false;
  bool sizes = is_static(n.outputs[0].shape) && numel(n.outputs[0]) > 0;
  for (Value v : n.inputs) {
    sizes = sizes && is_static(g.type(v).shape) && g.type(v).rank() < kMaxRank;
  }
  if (!sizes) return false;
  switch (n.op->kind) {
    case OpKind::Elementwise:
    case OpKind::View:
      return true;
    case OpKind::Reduction:
      return g.type(n.inputs[0]).rank() > 0;
    case OpKind::Contraction:
      return n.op == &op_def<MatMul>();
    case OpKind::Opaque:
      if (takes_indices(n)) return moves_slices(n) || moves_elements(n);
      return has_attr(n, "axis") || has_attr(n, "low");
    default:
      return false;
  }
}

bool is_small(const Graph& g, const Node& n) {
  if (n.op->is_view()) return true;
  if (numel(n.outputs[0]) > kSmallElements) return false;
  if (n.op->kind == OpKind::Contraction) {
    const int64_t depth = g.type(n.inputs[0]).shape.back().value();
    const int64_t rows = numel(n.outputs[0]) / n.outputs[0].shape.back().value();
    return rows <= kFewRows || numel(n.outputs[0]) * depth <= kSmallProducts;
  }
  if (is_select(n)) return true;
  int64_t largest = 0;
  for (Value v : n.inputs) largest = std::max(largest, numel(g.type(v)));
  // What is larger than all it is made of is made where it is read.
  bool grows = n.op->is_elementwise() && numel(n.outputs[0]) > 2 * largest;
  return largest <= kSmallElements && !grows;
}

bool can_batch(const Graph& g, const Node& n, const std::vector<bool>& stacked) {
  bool any = false, all = true;
  for (bool s : stacked) any |= s, all &= s;
  if (!any) return false;
  if (moves_slices(n)) {
    if (stacked[0]) return !stacked[1];
    const int64_t axis = std::get<int64_t>(n.attrs.get(0));
    return is_select(n) && normalize_axis(n.op->name(), axis, g.type(n.inputs[0]).rank()) == 0;
  }
  return all || !moves_elements(n);
}

Value emit_node(Graph& g, const OpDef& op, std::span<const Value> operands, AttrBox attrs) {
  Types types;
  for (Value v : operands) types.push_back(g.type(v));
  const NoAttrs none;
  Types out = infer_types(op, types, attrs.count() == 0 ? &none : attrs.data());
  return {g.add_node(op, operands, std::move(attrs), std::move(out)), 0};
}

Value emit_reshape(Graph& g, Value v, const Shape& shape) {
  if (same_shape(g.type(v).shape, shape)) return v;
  return emit_node(g, op_def<Reshape>(), {&v, 1}, AttrBox::of(ShapeAttrs{shape}));
}

Value emit_rows(Graph& g, Value v, int64_t begin, int64_t end) {
  if (begin == 0 && g.type(v).shape[0].is(end)) return v;
  return emit_node(g, op_def<Slice>(), {&v, 1},
                   AttrBox::of(Slice::Attrs{0, {Dim(begin), Dim(end)}, 1}));
}

Value emit_batched(Graph& g, const Node& n, std::span<const Value> operands,
                   const std::vector<bool>& stacked, int64_t count) {
  const int rank = n.outputs[0].rank();
  const Shape want = stacked_shape(count, n.outputs[0].shape);
  SmallVec<Value, 4> in(operands);
  AttrBox attrs = n.attrs;
  switch (n.op->kind) {
    case OpKind::View:
      // Reshapes and those that only add or drop axes of size 1 say what comes out.
      if (has_attr(n, "shape"))
        in[0] = n.op == &op_def<Expand>() ? with_rank(g, in[0], rank) : in[0];
      if (n.op == &op_def<Squeeze>() || n.op == &op_def<Unsqueeze>()) {
        return emit_reshape(g, in[0], want);
      }
      attrs = with_leading_axis(g, n, count);
      break;
    case OpKind::Elementwise:
    case OpKind::Contraction:
      for (size_t i = 0; i < in.size(); ++i) {
        if (stacked[i]) in[i] = with_rank(g, in[i], rank);
      }
      break;
    default:
      if (is_select(n) && !stacked[0]) break;
      attrs = with_leading_axis(g, n, count);
      for (size_t i = 0; i < in.size(); ++i) {
        if (stacked[i] || moves_slices(n)) continue;
        Shape shape = stacked_shape(count, g.type(in[i]).shape);
        in[i] = emit_node(g, op_def<Expand>(), {&in[i], 1}, AttrBox::of(ShapeAttrs{shape}));
      }
  }
  Value out = emit_node(g, *n.op, in, std::move(attrs));
  invariant(same_shape(g.type(out).shape, want), "a batched node has another shape than its parts");
  return out;
}

}  // namespace etch::passes
