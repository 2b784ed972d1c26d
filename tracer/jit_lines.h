// The user's line where a size becomes a raw number.
#pragma once

#include "ir/support/error.h"

namespace etch::tracer {

/// Known while a DimResolver answers a conversion, where the user's code has debug information.
/// Opens the LLVM module to read that: for messages only.
SourceLoc conversion_line();

}  // namespace etch::tracer
