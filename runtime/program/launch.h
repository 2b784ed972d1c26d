// Runs one bound loop kernel, by machine code or by the block interpreter.
#pragma once

#include "runtime/interp/interp.h"
#include "runtime/program/kernel_source.h"

namespace etch::runtime {

/// Runs `native`, the code of `kernel`, over all outer points on the pool. `cost` is in scalar
/// operations per point. Same bits for any split, so for any number of threads. Large results are
/// computed piece by piece in cache and stored past it.
void run_native(const NativeKernel& native, const ir::loop::Kernel& kernel,
                const ir::loop::BoundKernel& bound, void* const* buffers, double cost);

}  // namespace etch::runtime
