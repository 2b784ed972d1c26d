// The order of passes: one table.
#pragma once

#include "passes/manager.h"

namespace etch::passes {

/// Every pass in the order it runs, each row with its reason. A pass may stand in several rows.
std::span<const Pass> pipeline();

/// Runs the whole table on `g`.
inline std::vector<PassReport> optimize(ir::Graph& g, const PassOptions& options = {}) {
  return run_passes(g, pipeline(), options);
}

/// Runs it on a copy of `g`.
inline ir::Graph optimized(const ir::Graph& g, const PassOptions& options = {}) {
  return run_passes_on(g, pipeline(), options);
}

}  // namespace etch::passes
