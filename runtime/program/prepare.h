// The last look at a graph before it becomes steps.
#pragma once

#include "ir/graph.h"

namespace etch::runtime {

/// Makes every node one that a step can run: composites become fusions where their bodies lower to
/// one kernel and are replaced by their bodies otherwise, and so are fusions that do not lower.
/// Returns whether anything changed. The bits do not.
bool prepare(ir::Graph& g);

}  // namespace etch::runtime
