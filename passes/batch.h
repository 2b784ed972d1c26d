// Runs many small operators that are alike as one.
#pragma once

#include "passes/pass.h"

namespace etch::passes {

/// Isomorphic nodes that do not depend on each other become one node on operands stacked along a
/// new first axis: the cells of a forest at one height, a step of many sequences. Operands that all
/// of them share (weights) stay as they are. What follows works on stacked values, too; rows in
/// another order are gathered, and a row that something else reads is a view. Regions in which that
/// would cost more than it saves stay as they are; docs/decisions/012-batching.md says how that is
/// weighed.
///
/// Why: a program that is written for one tree or sentence and called on many of them spends its
/// time on starting operators. The canonical orders of sums do not depend on the batch, so the bits
/// stay.
bool batch(ir::Graph& g, const PassContext& context);

/// The same whether it pays or not: for tests.
bool batch_all(ir::Graph& g, const PassContext& context);

}  // namespace etch::passes
