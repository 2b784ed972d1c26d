// The `etch` command.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tools/cli/app.h"
#include "tools/cli/interrupt.h"

int main(int argc, char** argv) {
  using namespace etch::cli;
  handle_interrupts();
  Console console;
  bool lost = false;
  console.out = [&](std::string_view text) {
    lost |= std::fwrite(text.data(), 1, text.size(), stdout) != text.size();
  };
  console.err = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); };
  const char* no_color = std::getenv("NO_COLOR");
  console.color = isatty(STDERR_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
  int code = run_command({argv + 1, argv + argc}, console);
  lost |= std::fflush(stdout) != 0;
  if (lost) {
    console.err("error: [output] the answer could not be written to standard output\n");
    return kUnavailable;
  }
  return code;
}
