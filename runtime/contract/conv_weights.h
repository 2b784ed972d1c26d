// Internal entry of backward-weights for f32 and f64.
#pragma once

#include "runtime/contract/contract.h"
#include "runtime/contract/kernels.h"

namespace etch::runtime::contract {

template <class T>
void backward_weights(const Kernels<T>& kern, const Conv2dDesc& d, const T* x, const T* dy, T* dw,
                      Scratch& scratch);

}  // namespace etch::runtime::contract
