#include "runtime/io/json.h"

#include <algorithm>
#include <charconv>

#include "ir/support/error.h"

namespace etch::runtime {

std::string_view name(JsonKind kind) {
  constexpr std::string_view kNames[] = {"null",   "true or false", "a whole number", "a number",
                                         "a text", "an array",      "an object"};
  return kNames[static_cast<int>(kind)];
}

namespace {

void append_utf8(std::string& out, uint32_t code) {
  auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 63));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 63));
    put(0x80 | (code & 63));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 63));
    put(0x80 | (code >> 6 & 63));
    put(0x80 | (code & 63));
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

JsonCursor::JsonCursor(std::string_view text, std::string_view path, std::string_view tag,
                       const IoLimits& limits, uint64_t base)
    : text_(text),
      origin_(std::as_bytes(std::span<const char>(text.data(), text.size())), path, tag, base),
      limits_(limits) {
  if (text.size() > limits.max_header_bytes) {
    fail(cat("the JSON text has ", text.size(), " bytes, the limit is ", limits.max_header_bytes));
  }
}

void JsonCursor::fail(const std::string& what, std::string_view hint) const {
  fail_at(position_, what, hint);
}
void JsonCursor::fail_at(uint64_t position, const std::string& what, std::string_view hint) const {
  origin_.fail_at(position, what, hint);
}

void JsonCursor::space() {
  while (position_ < text_.size()) {
    char c = text_[position_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++position_;
  }
}

/// The next byte after white space; '\0' at the end.
char JsonCursor::look() {
  space();
  return position_ < text_.size() ? text_[position_] : '\0';
}

void JsonCursor::expect(char c, std::string_view what) {
  if (look() == c && position_ < text_.size()) {
    ++position_;
    return;
  }
  if (position_ == text_.size()) fail(cat("the text ends where ", what, " is expected"));
  fail(cat("expected ", what, ", found ", in_quotes(text_.substr(position_, 1))));
}

void JsonCursor::word(std::string_view text) {
  count_value();
  if (look() != text.front() || text_.substr(position_, text.size()) != text) {
    fail(cat("expected ", text));
  }
  position_ += text.size();
}

void JsonCursor::count_value() {
  if (++values_ > limits_.max_json_values) {
    fail(cat("more than ", limits_.max_json_values, " values"));
  }
}

JsonKind JsonCursor::peek() {
  char c = look();
  switch (c) {
    case '{':
      return JsonKind::Object;
    case '[':
      return JsonKind::Array;
    case '"':
      return JsonKind::String;
    case 't':
    case 'f':
      return JsonKind::Bool;
    case 'n':
      return JsonKind::Null;
    default:
      break;
  }
  if (c != '-' && !is_digit(c)) expect('\1', "a value");
  uint64_t start = position_;
  bool whole = true;
  number_text(whole);
  position_ = start;
  return whole ? JsonKind::Int : JsonKind::Float;
}

void JsonCursor::enter(char open, std::string_view what) {
  count_value();
  expect(open, what);
  if (first_.size() >= limits_.max_json_depth) {
    fail_at(position_ - 1, cat("nested more than ", limits_.max_json_depth, " deep"));
  }
  first_.push_back(true);
}

bool JsonCursor::next(char close) {
  invariant(!first_.empty(), "an array or object is open");
  if (look() == close) {
    ++position_;
    first_.pop_back();
    return false;
  }
  if (!first_.back()) {
    expect(',', close == '}' ? "\",\" or \"}\"" : "\",\" or \"]\"");
    if (look() == close) fail("a comma before the end");
  }
  first_.back() = false;
  return true;
}

void JsonCursor::begin_object() { enter('{', "an object"); }
void JsonCursor::begin_array() { enter('[', "an array"); }
bool JsonCursor::next_item() { return next(']'); }

bool JsonCursor::next_key(std::string& key) {
  if (!next('}')) return false;
  if (look() != '"') expect('"', "a key in double quotes");
  key = string();
  expect(':', "\":\"");
  return true;
}

std::string JsonCursor::string() {
  count_value();
  expect('"', "a text in double quotes");
  const uint64_t start = position_;
  std::string out;
  for (;;) {
    uint64_t run = position_;
    while (run < text_.size() && text_[run] != '"' && text_[run] != '\\' &&
           static_cast<unsigned char>(text_[run]) >= 0x20) {
      ++run;
    }
    out +=
        text_.substr(position_, std::min<uint64_t>(run - position_, limits_.max_string_bytes + 1));
    position_ = run;
    if (out.size() > limits_.max_string_bytes) {
      fail_at(start, cat("the text has more than ", limits_.max_string_bytes, " bytes"));
    }
    if (position_ == text_.size()) fail_at(start, "the text has no closing quote");
    char c = text_[position_++];
    if (c == '"') break;
    if (c != '\\') fail_at(position_ - 1, "a control character in a text");
    escape(out);
  }
  if (!is_utf8(out)) fail_at(start, "the text is not valid UTF-8");
  return out;
}

void JsonCursor::escape(std::string& out) {
  constexpr std::string_view kFrom = "\"\\/bfnrt";
  constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
  const uint64_t at = position_ - 1;
  char c = position_ < text_.size() ? text_[position_++] : '\0';
  if (size_t k = kFrom.find(c); c != '\0' && k != std::string_view::npos) {
    out += kTo[k];
    return;
  }
  if (c != 'u') fail_at(at, "an unknown escape in a text");
  uint32_t code = hex4();
  if (code >= 0xdc00 && code <= 0xdfff) fail_at(at, "half of a surrogate pair");
  if (code >= 0xd800 && code <= 0xdbff) {
    if (text_.substr(position_, 2) != "\\u") fail_at(at, "half of a surrogate pair");
    position_ += 2;
    uint32_t low = hex4();
    if (low < 0xdc00 || low > 0xdfff) fail_at(at, "half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(out, code);
}

uint32_t JsonCursor::hex4() {
  std::string_view digits = text_.substr(position_, 4);
  uint32_t code = 0;
  auto r = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  if (digits.size() != 4 || r.ec != std::errc() || r.ptr != digits.data() + 4) {
    fail("\\u needs four hex digits");
  }
  position_ += 4;
  return code;
}

bool JsonCursor::boolean() {
  bool value = look() == 't';
  word(value ? "true" : "false");
  return value;
}

void JsonCursor::null() { word("null"); }

/// The text of a number by the grammar of RFC 8259; `whole` tells that it is all digits.
std::string_view JsonCursor::number_text(bool& whole) {
  if (char c = look(); c != '-' && !is_digit(c)) expect('\1', "a number");
  const uint64_t start = position_;
  auto at = [&] { return position_ < text_.size() ? text_[position_] : '\0'; };
  auto digits = [&] {
    if (!is_digit(at())) fail("expected a digit");
    while (is_digit(at())) ++position_;
  };
  if (at() == '-') ++position_;
  if (at() == '0') {
    ++position_;
    if (is_digit(at())) fail_at(start, "a number with a leading zero");
  } else {
    digits();
  }
  whole = true;
  if (at() == '.') {
    whole = false;
    ++position_;
    digits();
  }
  if (at() == 'e' || at() == 'E') {
    whole = false;
    ++position_;
    if (at() == '+' || at() == '-') ++position_;
    digits();
  }
  std::string_view text = text_.substr(start, position_ - start);
  if (text == "-0") whole = false;
  return text;
}

int64_t JsonCursor::integer() {
  count_value();
  space();
  const uint64_t start = position_;
  bool whole = true;
  std::string_view text = number_text(whole);
  int64_t value = 0;
  auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!whole) fail_at(start, "expected a whole number");
  if (r.ec != std::errc()) fail_at(start, "the whole number does not fit 64 bits");
  return value;
}

double JsonCursor::number() {
  count_value();
  space();
  const uint64_t start = position_;
  bool whole = true;
  std::string_view text = number_text(whole);
  double value = 0;
  auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (r.ec != std::errc()) fail_at(start, "the number is out of range");
  return value;
}

void JsonCursor::skip() {
  std::string scratch;
  std::string closers;
  do {
    if (!closers.empty()) {
      bool more = closers.back() == '}' ? next_key(scratch) : next_item();
      if (!more) {
        closers.pop_back();
        continue;
      }
    }
    switch (peek()) {
      case JsonKind::Null:
        null();
        break;
      case JsonKind::Bool:
        boolean();
        break;
      case JsonKind::Int:
      case JsonKind::Float:
        number();
        break;
      case JsonKind::String:
        string();
        break;
      case JsonKind::Array:
        begin_array();
        closers += ']';
        break;
      case JsonKind::Object:
        begin_object();
        closers += '}';
        break;
    }
  } while (!closers.empty());
}

void JsonCursor::finish() {
  invariant(first_.empty(), "all arrays and objects are closed");
  space();
  if (position_ != text_.size()) fail("something follows the value");
}

}  // namespace etch::runtime
