// Lowers a fusion group (a small graph of elementwise, reduction and view operators) to the loop
// IR.
#pragma once

#include <optional>

#include "ir/graph.h"
#include "ir/loop/kernel.h"

namespace etch::ir::loop {

/// The strided window through which each operand of the group is read, in elements of its buffer.
/// Contiguous when not given.
using OperandViews = std::span<const StridedView>;

/// Why a group cannot be lowered, or the kernel. Never throws on a graph that verifies.
struct Lowered {
  std::optional<Kernel> kernel;
  std::string reason;
};

/// Lowers the whole of `group`: every result becomes a contiguous output. Views inside the group
/// are read through index maps; a view that is not affine, two different sets of reduced axes, or
/// an operator without a scalar form make it fail with a reason. Axes that are contiguous in every
/// access are merged.
Lowered lower(const Graph& group, OperandViews views = {});

/// The group of one operator on operands of the given types (views optional): eager's path.
Lowered lower_op(const OpDef& op, std::span<const TensorType> in, const void* attrs,
                 OperandViews views = {});

}  // namespace etch::ir::loop
