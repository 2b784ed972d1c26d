// Where a verb's words go: results on one stream, everything else on the other.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "runtime/io/json.h"

namespace etch::cli {

struct Console {
  std::function<void(std::string_view)> out;  // results
  std::function<void(std::string_view)> err;  // errors, notes, progress
  bool json = false;                          // results as one JSON value
  bool color = false;                         // `err` is a terminal that shows colours

  /// A remark that is no result.
  void note(const std::string& text) { err(text + "\n"); }
};

/// What the process leaves with.
enum ExitCode : int {
  kDone = 0,
  kNo = 1,           // the answer is no
  kUsage = 2,        // asked for something that does not exist or does not fit
  kUnreadable = 3,   // an input is missing, damaged or unsupported
  kUnavailable = 4,  // a device, library, permission or space is missing
  kInternal = 5,     // a bug in Etch
  kInterrupted = 130,
};

/// What a verb found out: text for people, the same as JSON, and the exit code.
struct Answer {
  std::string text;
  runtime::JsonValue json = runtime::JsonValue(runtime::JsonValue::Object{});
  int code = kDone;
};

}  // namespace etch::cli
