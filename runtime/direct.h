// Eager's short cuts: direct loops for equal dense operands, and views.
#pragma once

#include "runtime/eager.h"

namespace etch::runtime {

/// The result of an elementwise operator that is a single primitive, when all operands are dense,
/// of one dtype and shape (or of one element); else an undefined Tensor.
Tensor try_direct(const ir::OpDef& op, std::span<const Tensor> in, const void* attrs);

/// The result of a view operator as a window on x, or on a dense copy of x.
Tensor view_tensor(const ir::OpDef& op, const void* attrs, const Tensor& x, const Shape& sizes);

}  // namespace etch::runtime
