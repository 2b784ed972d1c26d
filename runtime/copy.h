// Element copies between strided tensors.
#pragma once

#include "runtime/tensor_impl.h"

namespace etch::runtime {

/// Copies element by element; equal shape and dtype, no overlap.
void copy_strided(const TensorImpl& from, const TensorImpl& to);

}  // namespace etch::runtime
