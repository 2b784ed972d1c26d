// Which nodes may run together, and in which order. Part of batch.
#pragma once

#include "ir/graph.h"

namespace etch::passes {

/// Nodes that are alike and independent of each other.
struct BatchGroup {
  std::vector<ir::NodeId> members;
  /// Whether such nodes depend on earlier ones of the same kind: a step of a recurrence.
  bool recurs = false;
};

/// Distributes all nodes over groups such that each group depends only on earlier ones. Nodes are
/// alike when operator, attributes and types are the same, operands that all of them share are the
/// same value, and what computes the others looks alike, back to the last product or other operator
/// that elementwise ones cannot be fused with. Groups wait: all steps of a recurrence before what
/// reads them, and in a recurrence the shallowest nodes first. O(n log n), without recursion.
std::vector<BatchGroup> batch_schedule(const ir::Graph& g);

}  // namespace etch::passes
