// How often this thread raised UserError, for those that look whether somebody caught one.
#pragma once

#include <cstdint>

namespace etch {

uint64_t errors_raised();

}  // namespace etch
