// Artifacts as a released version wrote them, with what it computed (README.md).
#pragma once

#include <string>

namespace etch::test {

/// Writes the golden files of the present version. `folder` must not exist yet: files of a version
/// are made once.
void write_golden(const std::string& folder);

}  // namespace etch::test
