// Source lines of machine code.
#pragma once

#include "codegen/lines.h"

namespace etch::codegen {

/// What LlvmModule::locate does.
bool locate(const char* object, uint64_t offset, std::string_view not_in, CodeLine& out);

}  // namespace etch::codegen
