// Random graphs from the operator registry: a new operator takes part without being named here.
#pragma once

#include <random>

#include "ir/graph.h"

namespace etch::difffuzz {

using Random = std::mt19937_64;

struct Sample {
  ir::Graph graph;
  std::vector<std::shared_ptr<const ir::Constant>> inputs;  // values of the graph's inputs
};

/// A graph of some 4 to 16 operators, in which a piece may come several times, one in three as a
/// whole several times in a row, with its input values, NaNs, infinities and denormals among them.
Sample generate(uint64_t seed);

}  // namespace etch::difffuzz
