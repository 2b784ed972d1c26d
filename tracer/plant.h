// Where etch-tracefuzz --plant makes recordings and replays wrong, to see whether it notices.
#pragma once

#include <functional>
#include <span>

#include "etch/tensor.h"

namespace etch::tracer {

struct TraceData;

/// A mistake that a tracer might make.
struct Plant {
  /// May change a recording that is complete, before anybody uses it.
  std::function<void(TraceData&)> recorded;
  /// Told that a guard of a replay did not hold, with the program's inputs.
  std::function<void(const TraceData&, std::span<const Tensor>)> missed;
};

/// Takes effect on all threads, and must outlive what is recorded; null, as it is but in that tool,
/// ends it.
void set_plant(const Plant* plant);
const Plant* plant();

}  // namespace etch::tracer
