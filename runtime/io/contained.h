// The two ways behind open_contained(), apart so that tests reach the older one on any kernel.
#pragma once

#include <string>

#include "runtime/io/file.h"

namespace etch::runtime {

enum class ContainMethod : uint8_t { Best, Steps };

/// An open descriptor that the caller owns; everything but "is it a regular file" is checked.
int open_contained_descriptor(const std::string& root, const std::string& relative,
                              const ContainOptions& options, ContainMethod method);

}  // namespace etch::runtime
