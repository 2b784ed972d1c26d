// The JSON value tree and the writer.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "ir/support/error.h"
#include "runtime/io/json.h"

namespace etch::runtime {

JsonValue::JsonValue() = default;
JsonValue::JsonValue(const JsonValue& other) = default;
JsonValue::JsonValue(JsonValue&& other) noexcept = default;
JsonValue& JsonValue::operator=(const JsonValue& other) = default;
JsonValue& JsonValue::operator=(JsonValue&& other) noexcept = default;
JsonValue::~JsonValue() = default;
JsonValue::JsonValue(bool v) : data_(v) {}
JsonValue::JsonValue(double v) : data_(v) {}
JsonValue::JsonValue(std::string v) : data_(std::move(v)) {}
JsonValue::JsonValue(std::string_view v) : data_(std::string(v)) {}
JsonValue::JsonValue(const char* v) : data_(std::string(v)) {}
JsonValue::JsonValue(Array v) : data_(std::move(v)) {}
JsonValue::JsonValue(Object v) : data_(std::move(v)) {}

namespace {

void refuse_repeated(const JsonCursor& c, const JsonValue::Object& members, uint64_t position) {
  std::vector<const std::string*> keys;
  keys.reserve(members.size());
  for (const JsonMember& m : members) keys.push_back(&m.key);
  auto less = [](const std::string* a, const std::string* b) { return *a < *b; };
  auto same = [](const std::string* a, const std::string* b) { return *a == *b; };
  std::sort(keys.begin(), keys.end(), less);
  auto twice = std::adjacent_find(keys.begin(), keys.end(), same);
  if (twice != keys.end()) c.fail_at(position, cat("the key ", in_quotes(**twice), " is repeated"));
}

JsonValue parse_value(JsonCursor& c);

JsonValue parse_array(JsonCursor& c) {
  JsonValue::Array items;
  c.begin_array();
  while (c.next_item()) items.push_back(parse_value(c));
  return JsonValue(std::move(items));
}

JsonValue parse_object(JsonCursor& c) {
  JsonValue::Object members;
  const uint64_t start = c.position();
  c.begin_object();
  std::string key;
  while (c.next_key(key)) {
    JsonValue value = parse_value(c);
    members.push_back(JsonMember{std::move(key), std::move(value)});
    key.clear();
  }
  refuse_repeated(c, members, start);
  return JsonValue(std::move(members));
}

/// Recursion is bounded by the cursor's depth limit.
JsonValue parse_value(JsonCursor& c) {
  switch (c.peek()) {
    case JsonKind::Null:
      c.null();
      return JsonValue();
    case JsonKind::Bool:
      return JsonValue(c.boolean());
    case JsonKind::Int:
      return JsonValue(c.integer());
    case JsonKind::Float:
      return JsonValue(c.number());
    case JsonKind::String:
      return JsonValue(c.string());
    case JsonKind::Array:
      return parse_array(c);
    case JsonKind::Object:
      break;
  }
  return parse_object(c);
}

/// Bytes of the character at the front of `text`, 0 when it is not UTF-8.
size_t utf8_length(std::string_view text) {
  for (size_t n = 1; n <= 4 && n <= text.size(); ++n) {
    if (is_utf8(text.substr(0, n))) return n;
  }
  return 0;
}

void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kFrom = "\"\\\b\f\n\r\t";
  constexpr std::string_view kTo = "\"\\bfnrt";
  out += '"';
  while (!text.empty()) {
    auto u = static_cast<unsigned char>(text.front());
    size_t length = 1;
    if (size_t k = kFrom.find(text.front()); k != std::string_view::npos) {
      out += '\\';
      out += kTo[k];
    } else if (u < 0x20 || u == 0x7f) {
      out += "\\u00";
      out += "0123456789abcdef"[u >> 4];
      out += "0123456789abcdef"[u & 15];
    } else {
      length = utf8_length(text);
      out += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
      length = std::max<size_t>(length, 1);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

}  // namespace

JsonValue parse_json(std::string_view text, std::string_view path, std::string_view tag,
                     const IoLimits& limits) {
  JsonCursor c(text, path, tag, limits);
  JsonValue value = parse_value(c);
  c.finish();
  return value;
}

void JsonValue::wrong(std::string_view what, JsonKind wanted) const {
  fail_file("json", what, cat("expected ", name(wanted), ", found ", name(kind())));
}

bool JsonValue::as_bool(std::string_view what) const {
  if (!is(JsonKind::Bool)) wrong(what, JsonKind::Bool);
  return std::get<bool>(data_);
}
int64_t JsonValue::as_int(std::string_view what) const {
  if (!is(JsonKind::Int)) wrong(what, JsonKind::Int);
  return std::get<int64_t>(data_);
}
double JsonValue::as_float(std::string_view what) const {
  if (is(JsonKind::Int)) return static_cast<double>(std::get<int64_t>(data_));
  if (!is(JsonKind::Float)) wrong(what, JsonKind::Float);
  return std::get<double>(data_);
}
const std::string& JsonValue::as_string(std::string_view what) const {
  if (!is(JsonKind::String)) wrong(what, JsonKind::String);
  return std::get<std::string>(data_);
}
const JsonValue::Array& JsonValue::as_array(std::string_view what) const {
  if (!is(JsonKind::Array)) wrong(what, JsonKind::Array);
  return std::get<Array>(data_);
}
const JsonValue::Object& JsonValue::as_object(std::string_view what) const {
  if (!is(JsonKind::Object)) wrong(what, JsonKind::Object);
  return std::get<Object>(data_);
}

const JsonValue* JsonValue::find(std::string_view key) const {
  if (!is(JsonKind::Object)) return nullptr;
  for (const JsonMember& m : std::get<Object>(data_)) {
    if (m.key == key) return &m.value;
  }
  return nullptr;
}

const JsonValue& JsonValue::at(std::string_view key) const {
  const JsonValue* found = find(key);
  if (found == nullptr) fail_file("json", in_quotes(key), "the key is missing");
  return *found;
}

void JsonValue::set(std::string key, JsonValue value) {
  if (is(JsonKind::Null)) data_ = Object();
  invariant(is(JsonKind::Object), "set() is for objects");
  Object& members = std::get<Object>(data_);
  for (JsonMember& m : members) {
    if (m.key != key) continue;
    m.value = std::move(value);
    return;
  }
  members.push_back(JsonMember{std::move(key), std::move(value)});
}

bool JsonValue::operator==(const JsonValue& other) const { return data_ == other.data_; }

void JsonWriter::new_line() {
  if (indent_ == 0) return;
  out_ += '\n';
  out_.append(levels_.size() * static_cast<size_t>(indent_), ' ');
}

void JsonWriter::before_value() {
  if (has_key_) {
    has_key_ = false;
    return;
  }
  if (levels_.empty()) {
    invariant(out_.empty(), "one value per JSON text");
    return;
  }
  invariant(levels_.back().close == ']', "a member of an object has a key");
  if (!levels_.back().empty) out_ += ',';
  levels_.back().empty = false;
  new_line();
}

JsonWriter& JsonWriter::open(char c) {
  before_value();
  out_ += c;
  levels_.push_back(Level{c == '{' ? '}' : ']', true});
  return *this;
}

JsonWriter& JsonWriter::close(char c) {
  invariant(!levels_.empty() && levels_.back().close == c && !has_key_, "closes what was opened");
  bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty) new_line();
  out_ += c;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view text) {
  invariant(!levels_.empty() && levels_.back().close == '}' && !has_key_, "a key in an object");
  if (!levels_.back().empty) out_ += ',';
  levels_.back().empty = false;
  new_line();
  append_quoted(out_, text);
  out_ += indent_ == 0 ? ":" : ": ";
  has_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  append_quoted(out_, text);
  return *this;
}
JsonWriter& JsonWriter::value(bool v) {
  before_value();
  append_text(out_, v);
  return *this;
}
JsonWriter& JsonWriter::null() {
  before_value();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::value(double v) {
  if (std::isnan(v)) return value("nan");
  if (std::isinf(v)) return value(v < 0 ? "-inf" : "inf");
  before_value();
  std::string text = cat(v);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  out_ += text;
  return *this;
}

JsonWriter& JsonWriter::value(const JsonValue& v) {
  switch (v.kind()) {
    case JsonKind::Null:
      return null();
    case JsonKind::Bool:
      return value(v.as_bool(""));
    case JsonKind::Int:
      return value(v.as_int(""));
    case JsonKind::Float:
      return value(v.as_float(""));
    case JsonKind::String:
      return value(std::string_view(v.as_string("")));
    case JsonKind::Array:
      begin_array();
      for (const JsonValue& item : v.as_array("")) value(item);
      return end_array();
    case JsonKind::Object:
      break;
  }
  begin_object();
  for (const JsonMember& m : v.as_object("")) key(m.key).value(m.value);
  return end_object();
}

std::string JsonWriter::finish() && {
  invariant(levels_.empty() && !out_.empty(), "the JSON text is complete");
  return std::move(out_);
}

std::string to_json(const JsonValue& value, int indent) {
  JsonWriter w(indent);
  w.value(value);
  return std::move(w).finish();
}

}  // namespace etch::runtime
