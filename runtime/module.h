// Optional parts of Etch: shared libraries that are opened on first use.
#pragma once

#include <string>

namespace etch::runtime {

/// Opens the module `file` (a file name) from beside the library that holds the address `self`, its
/// folder "etch", or the program's lib folder. The environment variable `variable` names the file
/// or its folder instead, and nothing else is tried then. Null, with `error` set, when that fails.
void* open_module(const std::string& file, const char* variable, const void* self,
                  std::string& error);

}  // namespace etch::runtime
