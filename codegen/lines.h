// From addresses in the process's code to source lines.
#pragma once

#include <optional>
#include <string>

namespace etch::codegen {

struct CodeLine {
  std::string file;
  uint32_t line = 0;
};

/// The line of the call that returns to `address`, the innermost one outside of files whose names
/// end with `not_in`. nullopt without debug information or without the LLVM module, which it opens.
std::optional<CodeLine> line_of_return(const void* address, std::string_view not_in);

}  // namespace etch::codegen
