// Constant folding: operators whose operands are all known are computed once, now.
//
// Why: weights are transposed, scaled and reshaped in every forward pass; bodies compute with
// literals.
//   - numbers: an elementwise operator on `full` operands, or a view of one, becomes a `full`,
//     which costs no memory and needs no engine;
//   - tensors: other operators on constants run through the context's Evaluator.
// A tensor is folded only when the result is no larger than its constant operands (or 4 KiB), so
// that folding never inflates a program, and while the budget lasts. What raises an error (an index
// out of range) stays and raises at run time.
#pragma once

#include "passes/pass.h"

namespace etch::passes {

bool fold(ir::Graph& g, const PassContext& context);

}  // namespace etch::passes
