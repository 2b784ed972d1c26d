// Reverse-mode differentiation over any Emitter.
#pragma once

#include "ir/op.h"
#include "ir/support/function_ref.h"

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

/// Runs `run` on `in` under a tape and goes back through it: the gradient of every input that is
/// wanted and floating, empty where nothing came. `grads` are those of run's results, some empty.
/// An operator without a gradient on the way is an error, or with `as_tape` the end of gradients.
Grads backprop(Emitter& emitter, std::span<const Var> in, const std::vector<bool>& wants,
               std::span<const Var> grads, FunctionRef<Vars(Emitter&, std::span<const Var>)> run,
               bool as_tape = false);

/// The gradient of a graph without state as a graph: from its inputs and the gradients of its
/// floating results to the gradients of the inputs in `wants`, which are floating. The same body
/// gives the same graph.
GraphRef gradient_graph(const GraphRef& body, const std::vector<bool>& wants);

/// Sums g over the axes along which `shape` was broadcast to it, giving `shape`.
Var sum_to_shape(const Var& g, const Shape& shape);

}  // namespace etch::ir
