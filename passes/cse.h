// Common subexpression elimination: equal nodes on equal operands become one.
//
// Why: gradients repeat forward subexpressions, composites repeat each other's bodies, and traced
// loops repeat everything. Nodes are hash-consed in order: operator, attributes, operands (sorted
// where the operator commutes), constants by contents, fusion bodies by identity. Operators are
// pure, random draws included (their seed and ordinal are operands or attributes), so equal means
// interchangeable. The first node stays; it takes over the other's source line where it has none.
#pragma once

#include "passes/pass.h"

namespace etch::passes {

bool cse(ir::Graph& g, const PassContext& context);

}  // namespace etch::passes
