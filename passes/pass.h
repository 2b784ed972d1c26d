// What a pass is: a named function from graph to graph, with its promise about the bits.
#pragma once

#include <cstddef>
#include <cstdint>
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
};

/// Rewrites `g` and says whether anything changed. Never recurses on the graph's depth.
using PassFunction = bool (*)(ir::Graph& g, const PassContext& context);

/// One row of a pipeline.
struct Pass {
  std::string_view name;
  PassFunction run = nullptr;
  PassClass cls = PassClass::Exact;
  std::string_view why;  // why it stands at this place
};

}  // namespace etch::passes
