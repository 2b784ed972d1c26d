// The two failure families, and where in the user's source something happened.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ir/support/text.h"

namespace etch {

/// A place in the user's source.
struct SourceLoc {
  const char* file = "";
  uint32_t line = 0;

  SourceLoc() = default;
  SourceLoc(const char* f, uint32_t l) : file(f), line(l) {}
  SourceLoc(const std::source_location& s) : file(s.file_name()), line(s.line()) {}  // NOLINT
  bool known() const { return line != 0; }
};

/// "file.cpp:12", or "" when unknown. Only the last path component is shown.
std::string to_text(const SourceLoc& loc);

/// Which of the command's exit codes a UserError maps to.
enum class ErrorKind : uint8_t {
  Usage,        // the caller asked for something that does not exist or does not fit (exit 2)
  Unreadable,   // a file is missing, damaged, hostile or of an unsupported kind (exit 3)
  Unavailable,  // a device, library or permission is missing (exit 4)
};

/// The user's input is at fault. what() reads "[op] what, both values (where). Hint".
class UserError : public std::runtime_error {
 public:
  explicit UserError(const std::string& text, ErrorKind kind = ErrorKind::Usage)
      : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// A bug in Etch.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// The user's line that this thread is working for; public functions set it on entry, except while
/// it is kept for library code that calls public functions itself.
struct UserLine {
  SourceLoc loc;
  bool kept = false;
};
UserLine& user_line();
inline SourceLoc& current_loc() { return user_line().loc; }

/// Throws UserError("[tag] what (where). hint"). `hint` and `loc` may be empty.
[[noreturn]] void fail(std::string_view tag, const std::string& what, std::string_view hint = "",
                       SourceLoc loc = {});
/// As fail(), for files: `where` is a path, with the byte or key where known.
[[noreturn]] void fail_file(std::string_view tag, std::string_view where, const std::string& what,
                            std::string_view hint = "");
/// Throws InternalError naming the file and line of the broken expectation.
[[noreturn]] void fail_internal(const std::string& what,
                                std::source_location at = std::source_location::current());

/// A condition that only a bug in Etch can break.
inline void invariant(bool ok, const char* what,
                      std::source_location at = std::source_location::current()) {
  if (!ok) [[unlikely]]
    fail_internal(what, at);
}

}  // namespace etch
