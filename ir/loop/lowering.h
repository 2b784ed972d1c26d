// The state of one lowering; see lower.h for what it promises.
//
// Values are pulled from the results: each is asked for under an index map (for every dim, the
// linear form of kernel axes that walks it), and a value asked for under two maps is written twice.
// An anchor fixes the axes: the operand of the first reduction, or else the first result.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "ir/loop/affine.h"
#include "ir/loop/lower.h"

namespace etch::ir::loop {

/// Ends a lowering with the reason shown to the fuser.
struct Cut {
  std::string reason;
};

/// Starts the lowering over with one axis more.
struct NeedsSplit {
  AxisSplit split;
};

class Lowering {
 public:
  Lowering(const Graph& group, OperandViews views);
  /// Throws Cut.
  Kernel run();

 private:
  struct Source {  // a value that is a window on an operand
    int input = -1;
    StridedView view;
  };
  struct Demand {
    Value value;
    IndexMap map;
  };
  struct PendingAccess {
    int buffer = 0;
    Affine at;
  };
  struct PendingStore {
    PendingAccess access;
    uint32_t value = 0;
    bool inner = false;
  };
  struct ReduceShape {
    std::vector<bool> reduced;  // per dim of the operand
    Shape sizes;                // of the reduced dims
    bool keepdims = false;
    bool trivial() const;  // over dims of size 1 only
  };

  // lower.cpp
  void find_sources();
  void attempt();
  uint32_t pull(Value v, const IndexMap& map);
  std::optional<uint32_t> try_make(const Demand& d);
  std::optional<uint32_t> make_load(const Source& s, DType dtype, const IndexMap& map);
  std::optional<uint32_t> make_elementwise(const Node& n, const IndexMap& map);
  std::optional<uint32_t> make_reduction(const Node& n, const IndexMap& map);
  std::optional<uint32_t> make_view(const Node& n, const IndexMap& map);
  std::optional<uint32_t> make_leaf(const Node& n, const IndexMap& map);
  Expr size_expr(Dim d);
  Expr range_expr(const Node& n, const Affine& at);
  std::optional<uint32_t> need(Value v, const IndexMap& map);
  IndexMap operand_map(const Node& view, const IndexMap& map);

  // lower_axes.cpp
  void choose_anchor();
  void build_axes();
  void split_axis(const AxisSplit& split);
  ReduceShape reduce_shape(const Node& n) const;
  void check_rows(const Node& n, const IndexMap& kept) const;
  IndexMap result_map(Value v);
  void assign_from_hints(Value result, IndexMap& map, std::vector<bool>& done);
  void hint_operands(const Node& n, const std::vector<int>& labels,
                     std::vector<std::pair<Value, std::vector<int>>>& out) const;
  bool assign_leftover(std::span<const Dim> shape, IndexMap& map, std::vector<bool>& done);
  bool whole(const Affine& e, Dim size) const;
  void check_result(std::span<const Dim> shape, const IndexMap& map) const;
  bool uses_inner(const IndexMap& map) const;

  // lower_finish.cpp
  Kernel finish() const;
  std::vector<uint32_t> renumber(const ExprGraph& from, std::span<const uint64_t> load_ids,
                                 std::span<const int> axes, Kernel& k) const;

  const Graph& g_;
  OperandViews views_;
  std::unordered_map<NodeId, Source> sources_;

  Value anchor_;
  std::vector<bool> anchor_inner_;         // per dim of the anchor
  std::vector<std::vector<Dim>> factors_;  // per dim of the anchor: sizes of its axes

  // Rebuilt by every attempt.
  Shape sizes_;              // per axis, in the anchor's order
  std::vector<bool> inner_;  // per axis
  std::vector<int> inner_axes_, outer_axes_;
  IndexMap anchor_map_;
  ExprGraph exprs_;
  std::map<std::vector<uint64_t>, uint32_t> memo_;
  std::unordered_map<NodeId, IndexMap> recorded_;  // the first map a node was asked for under
  std::vector<Demand> stack_;
  std::vector<PendingAccess> loads_;
  std::vector<PendingStore> stores_;
  std::vector<Reduction> reductions_;
  std::vector<std::pair<uint32_t, ReduceKind>> reduce_keys_;
  std::vector<Dim> params_;
};

/// The index map of a value of this shape: dims of size 1 get index 0.
IndexMap without_unit_dims(IndexMap map, std::span<const Dim> shape);

}  // namespace etch::ir::loop
