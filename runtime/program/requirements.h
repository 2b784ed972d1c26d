// What a graph's operators ask of sizes that are only known when it runs.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace etch::runtime {

/// `value` must be at least `least`, or else `what`.
struct Requirement {
  Dim value;
  int64_t least = 0;
  std::string what;
  SourceLoc loc;  // its text lies in the graph
};

/// The conditions that type inference checks on numbers but cannot decide on symbols, in `g` and in
/// the fusions inside it: no maximum of nothing, slices inside their axis, windows that fit.
std::vector<Requirement> requirements(const ir::Graph& g);

}  // namespace etch::runtime
