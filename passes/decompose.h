// Replaces composites (softmax, gelu, losses, ...) by their bodies until none is left.
//
// Why: composites stay one node so that algebra sees them and ONNX maps them 1:1; kernels are only
// made of the operators inside. Eager runs the same bodies, hence the same bits. The new nodes keep
// the composite's scope and source line.
#pragma once

#include "passes/pass.h"

namespace etch::passes {

bool decompose(ir::Graph& g, const PassContext& context);

}  // namespace etch::passes
