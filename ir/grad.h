// Reverse-mode differentiation over any Emitter.
#pragma once

#include "ir/op.h"

namespace etch::ir {

/// The gradients of one operator call: its vjp, summed back over broadcast axes. Entries of
/// operands that are not wanted or not floating are empty. Raises UserError when the operator has
/// no gradient.
Grads differentiate(const Call& c);

/// Which operands and results a vjp reads: bit i for operand / result i. Found by running it on
/// types.
struct VjpReads {
  uint32_t operands = 0;
  uint32_t results = 0;
};
VjpReads vjp_reads(const OpDef& op, std::span<const TensorType> in, std::span<const TensorType> out,
                   const void* attrs, uint32_t wants);

/// Sums g over the axes along which `shape` was broadcast to it, giving `shape`.
Var sum_to_shape(const Var& g, const Shape& shape);

}  // namespace etch::ir
