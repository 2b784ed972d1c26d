// The `etch` command.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "tools/cli/app.h"
#include "tools/cli/interrupt.h"

namespace {

/// An exception that nobody can catch, such as one from the initialisers of a plug-in.
[[noreturn]] void on_terminate() {
  std::string what = "an exception that is no std::exception";
  try {
    if (std::current_exception() != nullptr) std::rethrow_exception(std::current_exception());
    what = "terminate() was called";
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  std::fprintf(stderr, "error: [etch] the command ended early: %s\n", what.c_str());
  std::_Exit(etch::cli::kInternal);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace etch::cli;
  handle_interrupts();
  std::set_terminate(&on_terminate);
  Console console;
  bool lost = false;
  console.out = [&](std::string_view text) {
    lost |= std::fwrite(text.data(), 1, text.size(), stdout) != text.size();
  };
  console.err = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); };
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  console.color =
      isatty(STDERR_FILENO) != 0 && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  int code = run_command({argv + 1, argv + argc}, console);
  lost |= std::fflush(stdout) != 0;
  if (lost) {
    console.err("error: [output] the answer could not be written to standard output\n");
    return kUnavailable;
  }
  return code;
}
