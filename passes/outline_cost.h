// What a piece of a graph costs a run, roughly.
#pragma once

#include "ir/graph.h"

namespace etch::passes {

/// What a node costs a run. What is small enough for `batch` costs nothing here: it gains more from
/// lying beside its like than from being compiled once.
struct OutlineCost {
  bool fuses = true;  // with what stands beside it
  double microseconds = 0;
};

/// Symbolic sizes count as one.
OutlineCost cost_of(const ir::Graph& g, ir::NodeId id);

}  // namespace etch::passes
