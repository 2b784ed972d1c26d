// The command line, from arguments to exit code.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/console.h"

namespace etch::cli {

/// Runs `etch ARGS...`: parses, calls the verb, prints its answer or the error. Never throws;
/// returns the process's exit code.
int run_command(const std::vector<std::string>& args, Console& console);

}  // namespace etch::cli
