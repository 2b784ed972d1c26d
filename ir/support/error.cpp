#include "ir/support/error.h"

#include "ir/support/error_count.h"

namespace etch {
namespace {

thread_local uint64_t raised = 0;

}  // namespace

uint64_t errors_raised() { return raised; }

std::string to_text(const SourceLoc& loc) {
  if (!loc.known()) return "";
  std::string_view file = loc.file;
  size_t slash = file.rfind('/');
  if (slash != std::string_view::npos) file.remove_prefix(slash + 1);
  return cat(file, ":", loc.line);
}

UserLine& user_line() {
  thread_local UserLine line;
  return line;
}

void fail(std::string_view tag, const std::string& what, std::string_view hint, SourceLoc loc) {
  std::string text = cat("[", tag, "] ", what);
  if (loc.known()) text += cat(" (", to_text(loc), ")");
  if (!hint.empty()) text += cat(". ", hint);
  ++raised;
  throw UserError(text);
}

void fail_file(std::string_view tag, std::string_view where, const std::string& what,
               std::string_view hint) {
  std::string text = cat("[", tag, "] ", where, ": ", what);
  if (!hint.empty()) text += cat(". ", hint);
  ++raised;
  throw UserError(text, ErrorKind::Unreadable);
}

void fail_internal(const std::string& what, std::source_location at) {
  throw InternalError(cat("internal error in Etch: ", what, " (", to_text(SourceLoc(at)),
                          "). Please report it with the program that caused it"));
}

}  // namespace etch
