// Replay equals eager: run on every trace before anybody trusts it.
#pragma once

#include "tracer/recorder.h"

namespace etch::tracer {

/// Replays the recording on its own inputs and the state from before it, and compares every result
/// and every written state with what eager left, bit for bit. Raises InternalError naming what
/// differs.
void check_replay(const TraceData& trace, const std::vector<NamedTensor>& state_before);

/// Index of the first element whose bits differ (NaNs equal each other), or -1.
int64_t first_difference(const Tensor& a, const Tensor& b);

/// Runs `f` again and raises UserError, with both lines, when a run differs from the recorded one
/// without a guard that explains it: on the same inputs (counters, clocks, randomness of the host),
/// on other values, and on other sizes of dynamic axes (numbers that were baked in). What f writes
/// to options.state and to their gradients is put back. An exception in a run on other inputs says
/// nothing.
void check_runs(const TraceData& trace, const FlatFunction& f, const TraceOptions& options,
                const std::vector<NamedTensor>& state_before);

}  // namespace etch::tracer
