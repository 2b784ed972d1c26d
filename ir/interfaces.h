// The small interfaces that later layers implement, so that nothing looks left.
#pragma once

#include "ir/graph.h"

namespace etch::ir {

/// Runs a graph on constants under a budget: folding, packing, export verification.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// Results of `g` on `inputs` (one per graph input, static types). Raises UserError when the
  /// values would take more than `budget_bytes`.
  virtual std::vector<std::shared_ptr<const Constant>> evaluate(
      const Graph& g, std::span<const std::shared_ptr<const Constant>> inputs,
      size_t budget_bytes) = 0;
};

}  // namespace etch::ir
