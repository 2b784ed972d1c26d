// What a pass is: a named function from graph to graph, with its promise about the bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ir/graph.h"

namespace etch::ir {
class Evaluator;
}

namespace etch::passes {

/// What a pass promises about results.
enum class PassClass : uint8_t {
  Exact,    // the same bits (all NaNs counting as one value)
  Bounded,  // close: its header states the error
};

/// The numerics level: `Exact` runs exact passes only.
enum class Level : uint8_t { Exact, Fast };

/// What passes may use beside the graph.
struct PassContext {
  ir::Evaluator* evaluator = nullptr;      // runs operators on constants; null: only scalars fold
  size_t fold_budget = size_t{256} << 20;  // bytes of constants that one folding run may make
  // Less estimated work than this is no function of its own; 0: whatever repeats is one, even if
  // that costs fusions.
  double least_call_us = 20;
};

/// Rewrites `g` and says whether anything changed. Never recurses on the graph's depth.
using PassFunction = bool (*)(ir::Graph& g, const PassContext& context);

/// Makes the graph anew: cheaper where little of a large one stays. nullopt: nothing changes.
using MakeFunction = std::optional<ir::Graph> (*)(const ir::Graph& g, const PassContext& context);

/// One row of a pipeline: `run` or `make`.
struct Pass {
  std::string_view name;
  PassFunction run = nullptr;
  PassClass cls = PassClass::Exact;
  std::string_view why;  // why it stands at this place
  MakeFunction make = nullptr;
};

}  // namespace etch::passes
