// Which new values of the state a run may write straight over the present ones.
#pragma once

#include "runtime/program/plan.h"

namespace etch::runtime {

/// Fills Plan::nexts_in_place and Plan::point_of_no_return. A new value may go over the present one
/// when a kernel makes it, nobody reads the present one later, the kernel itself reads it only
/// where it writes, and from that step on nothing can fail any more: no operator that still has to
/// check its data, no guard that is still unknown. Until then a run that fails has changed nothing.
void find_in_place_writes(Plan& plan);

/// The same for a plan inside another one: fills Plan::may_replace and Plan::may_fail, by which the
/// plan around it decides about its own State.
void find_replaceable_inputs(Plan& plan);

/// True when operand `operand` of a kernel is read exactly where output `output` is written, and
/// not after it: then both may be the same memory.
bool may_overwrite(const ir::loop::Kernel& k, int operand, int output);

}  // namespace etch::runtime
