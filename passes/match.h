// What rewrite rules see of a graph, so that they read as algebra. Shared by simplify and fold.
#pragma once

#include <optional>

#include "ir/graph.h"
#include "ir/ops/create.h"

namespace etch::passes {

/// The one number that every element of `v` equals, when v is a `full` or a one-element constant.
std::optional<ir::Number> uniform_number(const ir::Graph& g, ir::Value v);

/// One node under the eyes of a rule. "No value" means that the rule does not apply.
class Match {
 public:
  Match(ir::Graph& g, ir::NodeId id) : g_(g), id_(id) {}

  const ir::Node& node() const { return g_.node(id_); }
  ir::Value in(size_t i) const { return node().inputs[i]; }
  const ir::TensorType& type(ir::Value v) const { return g_.type(v); }
  const ir::TensorType& out_type() const { return node().outputs[0]; }
  DType dtype() const { return g_.type(in(0)).dtype; }
  template <class Op>
  const typename Op::Attrs& attrs() const {
    return node().attrs.as<typename Op::Attrs>();
  }

  /// True when every element of v is the number x converted to v's dtype; -0 and +0 differ.
  bool is(ir::Value v, double x) const;
  /// The other operand of a commutative node with x on one side.
  ir::Value beside(double x) const;
  /// The node that computes v, when its operator is Op.
  template <class Op>
  const ir::Node* made_by(ir::Value v) const {
    const ir::Node& n = g_.node(v.node);
    return n.op == &ir::op_def<Op>() ? &n : nullptr;
  }
  /// Adds Op before the node, with its scope and source line.
  template <class Op>
  ir::Value emit(typename Op::Attrs attrs, std::initializer_list<ir::Value> operands) {
    const void* data = &attrs;
    return emit(ir::op_def<Op>(), {operands.begin(), operands.size()},
                ir::AttrBox::copy(*ir::op_def<Op>().schema, data));
  }
  template <class Op>
  ir::Value emit(std::initializer_list<ir::Value> operands) {
    return emit<Op>(typename Op::Attrs{}, operands);
  }
  ir::Value emit(const ir::OpDef& op, std::span<const ir::Value> operands, ir::AttrBox attrs);
  /// A `full` of the node's result type.
  ir::Value full(ir::Number value) { return emit<ir::Full>({out_type().shape, value}, {}); }
  ir::Graph& graph() { return g_; }

 private:
  ir::Graph& g_;
  ir::NodeId id_;
};

/// No value: the rule does not apply.
inline constexpr ir::Value kNoMatch{};

}  // namespace etch::passes
