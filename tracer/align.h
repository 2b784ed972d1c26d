// Whether two recordings of one function tell the same story.
#pragma once

#include <optional>
#include <string>

#include "tracer/recorder.h"

namespace etch::tracer {

struct Alignment {
  /// What differs although every guard before came out alike: something that the recordings do not
  /// know of, such as a counter of the host. Names both operators and the line.
  std::optional<std::string> difference;
  /// The guard (index into b.guards, or its size when b ends first) at which the recordings part,
  /// as they may; -1 when they took the same course.
  int parted_at = -1;
  bool same_course() const { return !difference && parted_at < 0; }
};

/// Walks two recordings operator by operator until a guard came out differently. Sizes are compared
/// under the sizes of `a`'s inputs, so that both may be dynamic.
Alignment align(const TraceData& a, const TraceData& b);

/// Whether the same axes of the inputs are dynamic in both, and dtypes, ranks and fixed sizes
/// agree: only then does align() tell anything.
bool same_signature(const TraceData& a, const TraceData& b);

}  // namespace etch::tracer
