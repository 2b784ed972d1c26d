// Groups elementwise operators, reductions and the views between them into fusion nodes.
//
// Why: a group runs as one kernel: its inner values never reach memory. A producer joins its
// consumer when both fit one loop nest (ir/loop lowers every group; what does not lower is not
// merged), values that others need become further results, and what is cheap to make again (views,
// ranges, single numbers) is copied into each group that reads it. Contractions and opaque
// operators stay alone. Expects composites to be decomposed. Deterministic.
#pragma once

#include "passes/pass.h"

namespace etch::passes {

/// Limits of one group.
inline constexpr size_t kFuseOperators = 64;
inline constexpr size_t kFuseOperands = 24;
inline constexpr size_t kFuseReductions = 5;

bool fuse(ir::Graph& g, const PassContext& context);

}  // namespace etch::passes
