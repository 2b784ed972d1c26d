// Dead code elimination: removes nodes that no result needs.
//
// Why: traces record every call, gradients compute what nobody asked for, and other passes leave
// replaced nodes behind. Operators have no hidden effects (random draws carry their ordinal, writes
// to state are results), so a node without readers can go. Inputs stay: they are the signature.
#pragma once

#include "passes/pass.h"

namespace etch::passes {

bool dce(ir::Graph& g, const PassContext& context);

}  // namespace etch::passes
