// The meaning of a loop kernel, spelled out: one point after another, on bit patterns.
#pragma once

#include "ir/loop/kernel.h"

namespace etch::test {

/// Computes what `kernel` states for outer points [args.begin, args.end).
void run_naive(const ir::loop::Kernel& kernel, const ir::loop::KernelArgs& args);

}  // namespace etch::test
