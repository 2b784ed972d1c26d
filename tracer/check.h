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

}  // namespace etch::tracer
