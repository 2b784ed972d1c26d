#include "runtime/program/requirements.h"

#include "ir/facts.h"
#include "ir/ops/contract.h"
#include "ir/ops/index.h"
#include "ir/ops/pool.h"
#include "ir/ops/view.h"
#include "ir/text.h"

namespace etch::runtime {
namespace {

using ir::Node;

class Collector {
 public:
  Collector(const ir::Graph& g, std::vector<Requirement>& out)
      : facts_(ir::facts_of(g)), out_(out) {}

  void add_all(const ir::Graph& g) {
    for (ir::NodeId id : g) {
      const Node& n = g.node(id);
      const ir::GraphLoc& loc = g.loc(n.loc);
      loc_ = {loc.file.c_str(), loc.line};
      op_ = n.op->name();
      if (n.op->kind == ir::OpKind::Reduction) reduction(n, g.type(n.inputs[0]).shape);
      bool range = n.op == &ir::op_def<ir::Slice>() || n.op == &ir::op_def<ir::SliceScatter>();
      if (range) slice(n, g.type(n.inputs[0]).shape);
      if (n.op == &ir::op_def<ir::Pad>()) padding(n);
      bool windows = n.op == &ir::op_def<ir::Conv2d>() || n.op == &ir::op_def<ir::PoolPick>() ||
                     n.op == &ir::op_def<ir::AvgPool2d>();
      if (!windows) continue;
      for (size_t a = 2; a < 4; ++a) {
        need(n.outputs[0].shape[a], 1, "the window does not fit its padded operand");
      }
    }
  }

 private:
  void need(Dim value, int64_t least, std::string_view what) {
    if (value.is_const()) return;  // inference has looked at it
    if (dim_less(value, Dim(least), facts_) == Truth::No) return;
    out_.push_back({value, least, cat("'", op_, "': ", what), loc_});
  }

  void reduction(const Node& n, const Shape& shape) {
    if (n.op->reduce == ir::ReduceKind::Sum || n.op->reduce == ir::ReduceKind::Prod) return;
    const auto& a = n.attrs.as<ir::ReduceAttrs>();
    for (int64_t axis : ir::normalize_axes(op_, a.axes, static_cast<int>(shape.size()))) {
      need(shape[static_cast<size_t>(axis)], 1,
           cat("axis ", axis, " has no elements to choose from"));
    }
  }

  void padding(const Node& n) {
    const auto& a = n.attrs.as<ir::Pad::Attrs>();
    for (const Shape* side : {&a.low, &a.high}) {
      for (Dim d : *side) need(d, 0, cat("a padding of ", d, " is below 0"));
    }
  }

  void slice(const Node& n, const Shape& shape) {
    const auto& a = n.attrs.as<ir::Slice::Attrs>();
    int64_t axis = a.axis < 0 ? a.axis + static_cast<int64_t>(shape.size()) : a.axis;
    Dim size = shape[static_cast<size_t>(axis)], start = a.range[0], stop = a.range[1];
    std::string what =
        cat("range ", start, " to ", stop, " does not fit axis ", axis, " of size ", size);
    need(start, 0, what);
    need(stop - start, 0, what);
    need(size - stop, 0, what);
  }

  DimFacts facts_;
  std::vector<Requirement>& out_;
  std::string_view op_;
  SourceLoc loc_;
};

}  // namespace

std::vector<Requirement> requirements(const ir::Graph& g) {
  std::vector<Requirement> out;
  Collector collector(g, out);
  collector.add_all(g);
  for (const ir::Graph* body : ir::nested_graphs(g)) collector.add_all(*body);
  return out;
}

}  // namespace etch::runtime
