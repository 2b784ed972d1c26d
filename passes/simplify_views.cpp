#include "ir/ops/index.h"
#include "ir/ops/view.h"
#include "passes/simplify.h"

namespace etch::passes {
namespace {

using namespace ir;

/// Views whose only effect is another shape keep their operand when the shape is the same; the
/// engine of rules checks that it is.
Value same_shape_is_nothing(Match& m) { return m.in(0); }

Value as_reshape(Match& m) { return m.emit<Reshape>({m.out_type().shape}, {m.in(0)}); }

Value reshape_of_reshape(Match& m) {
  const Node* inner = m.made_by<Reshape>(m.in(0));
  if (inner == nullptr) return kNoMatch;
  return m.emit<Reshape>({m.out_type().shape}, {inner->inputs[0]});
}

/// The axes of a permute, counted from the front.
Axes permutation(const Axes& axes) {
  Axes out;
  auto rank = static_cast<int64_t>(axes.size());
  for (int64_t a : axes) out.push_back(a < 0 ? a + rank : a);
  return out;
}

bool is_identity(const Axes& axes) {
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

Value permute_by_identity(Match& m) {
  return is_identity(permutation(m.attrs<Permute>().axes)) ? m.in(0) : kNoMatch;
}

Value permute_of_permute(Match& m) {
  const Node* inner = m.made_by<Permute>(m.in(0));
  if (inner == nullptr) return kNoMatch;
  Axes first = permutation(inner->attrs.as<Permute::Attrs>().axes), both;
  for (int64_t a : permutation(m.attrs<Permute>().axes))
    both.push_back(first[static_cast<size_t>(a)]);
  Value x = inner->inputs[0];
  return is_identity(both) ? x : m.emit<Permute>({both}, {x});
}

/// A permute that keeps the order of all axes but those of size 1 moves no element.
Value permute_of_ones(Match& m) {
  int64_t last = -1;
  for (int64_t a : permutation(m.attrs<Permute>().axes)) {
    if (m.type(m.in(0)).shape[static_cast<size_t>(a)].is(1)) continue;
    if (a < last) return kNoMatch;
    last = a;
  }
  return as_reshape(m);
}

Value expand_of_expand(Match& m) {
  const Node* inner = m.made_by<Expand>(m.in(0));
  if (inner == nullptr) return kNoMatch;
  return m.emit<Expand>({m.out_type().shape}, {inner->inputs[0]});
}

size_t slice_axis(const Slice::Attrs& a, int rank) {
  return static_cast<size_t>(a.axis < 0 ? a.axis + rank : a.axis);
}

Value slice_of_everything(Match& m) {
  const auto& a = m.attrs<Slice>();
  Dim size = m.type(m.in(0)).shape[slice_axis(a, m.type(m.in(0)).rank())];
  bool all = a.step == 1 && a.range[0].is(0) && a.range[1].same_as(size);
  return all ? m.in(0) : kNoMatch;
}

/// Two slices of one axis, the inner without a step: the ranges add.
Value slice_of_slice(Match& m) {
  const Node* inner = m.made_by<Slice>(m.in(0));
  if (inner == nullptr) return kNoMatch;
  const auto& outer_attrs = m.attrs<Slice>();
  const auto& inner_attrs = inner->attrs.as<Slice::Attrs>();
  Value x = inner->inputs[0];
  size_t axis = slice_axis(outer_attrs, m.type(x).rank());
  if (inner_attrs.step != 1 || axis != slice_axis(inner_attrs, m.type(x).rank())) return kNoMatch;
  Dim base = inner_attrs.range[0];
  Slice::Attrs both{static_cast<int64_t>(axis),
                    {base + outer_attrs.range[0], base + outer_attrs.range[1]},
                    outer_attrs.step};
  return m.emit<Slice>(both, {x});
}

Value concat_of_one(Match& m) { return m.node().inputs.size() == 1 ? m.in(0) : kNoMatch; }

constexpr Rule kRules[] = {
    {"detach(x) = x", op_def<Detach>, [](Match& m) { return m.in(0); }},
    {"squeeze = reshape", op_def<Squeeze>, as_reshape},
    {"unsqueeze = reshape", op_def<Unsqueeze>, as_reshape},
    {"reshape to the same shape = x", op_def<Reshape>, same_shape_is_nothing},
    {"reshape(reshape(x)) = reshape(x)", op_def<Reshape>, reshape_of_reshape},
    {"permute(x, 0 1 2...) = x", op_def<Permute>, permute_by_identity},
    {"permute(permute(x)) = permute(x)", op_def<Permute>, permute_of_permute},
    {"permute of axes of size 1 = reshape", op_def<Permute>, permute_of_ones},
    {"expand to the same shape = x", op_def<Expand>, same_shape_is_nothing},
    {"expand(expand(x)) = expand(x)", op_def<Expand>, expand_of_expand},
    {"slice of everything = x", op_def<Slice>, slice_of_everything},
    {"slice(slice(x)) = slice(x)", op_def<Slice>, slice_of_slice},
    {"concat(x) = x", op_def<Concat>, concat_of_one},
};

/// The shape that the node would have with `v` as operand i; nullopt when the rule refuses.
std::optional<Shape> shape_with(const Graph& g, const Node& n, size_t i, Value v) {
  Types in;
  for (Value operand : n.inputs) in.push_back(g.type(operand));
  in[i] = g.type(v);
  try {
    return infer_types(*n.op, in, n.attrs.data()).front().shape;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

}  // namespace

std::span<const Rule> view_rules() { return kRules; }

bool drop_expand(Graph& g, NodeId id) {
  bool changed = false;
  for (uint32_t i = 0; i < g.node(id).inputs.size(); ++i) {
    const Node& n = g.node(id);
    const Node& source = g.node(n.inputs[i].node);
    if (source.op != &op_def<Expand>()) continue;
    Value x = source.inputs[0];
    std::optional<Shape> shape = shape_with(g, n, i, x);
    if (!shape || !same_shape(*shape, n.outputs[0].shape)) continue;
    g.set_operand(id, i, x);
    changed = true;
  }
  return changed;
}

}  // namespace etch::passes
