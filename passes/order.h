// The order of nodes after a pass has added some at the end that others now read.
#pragma once

#include "ir/graph.h"

namespace etch::passes {

/// Moves operands to where they are first read and keeps the present order otherwise, so that what
/// was made next to its reader stays there. The graph must have no circles.
void operands_first(ir::Graph& g);

}  // namespace etch::passes
