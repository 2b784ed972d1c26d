#include "passes/match.h"

#include <cstring>

namespace etch::passes {

std::optional<ir::Number> uniform_number(const ir::Graph& g, ir::Value v) {
  const ir::Node& n = g.node(v.node);
  if (n.op == &ir::op_def<ir::Full>()) return n.attrs.as<ir::Full::Attrs>().value;
  if (!is_constant(n) || n.constant->bytes != itemsize(n.constant->dtype)) return std::nullopt;
  ir::Number number{n.constant->dtype, 0};
  std::memcpy(&number.bits, n.constant->data.get(), n.constant->bytes);
  return number;
}

bool Match::is(ir::Value v, double x) const {
  std::optional<ir::Number> n = uniform_number(g_, v);
  return n && *n == ir::make_number(n->dtype, x);
}

ir::Value Match::beside(double x) const {
  if (is(in(1), x)) return in(0);
  return is(in(0), x) ? in(1) : kNoMatch;
}

ir::Value Match::emit(const ir::OpDef& op, std::span<const ir::Value> operands, ir::AttrBox attrs) {
  ir::Types types;
  for (ir::Value v : operands) types.push_back(g_.type(v));
  ir::Types outputs = ir::infer_types(op, types, attrs.data());
  g_.set_origin(node().scope, node().loc);
  ir::NodeId id = g_.add_node(op, operands, std::move(attrs), std::move(outputs), id_);
  g_.set_origin(0, 0);
  return {id, 0};
}

}  // namespace etch::passes
