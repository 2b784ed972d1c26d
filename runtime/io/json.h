// Strict JSON (RFC 8259): a cursor that reads without building anything, a value tree, a writer.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/support/error.h"
#include "runtime/io/limits.h"
#include "runtime/io/reader.h"

namespace etch::runtime {

enum class JsonKind : uint8_t { Null, Bool, Int, Float, String, Array, Object };
std::string_view name(JsonKind kind);

/// Walks JSON text from front to back:
///   c.begin_object(); while (c.next_key(key)) ...one value...;
///   c.begin_array(); while (c.next_item()) ...one value...;
///   c.finish();
/// Errors are UserError (Unreadable) with path and byte offset. Refused: anything after the value,
/// comments, trailing commas, bad UTF-8, lone surrogates, nesting, strings or a number of values
/// beyond the limits. Repeated keys are the caller's business here; parse_json refuses them.
class JsonCursor {
 public:
  /// `base` is the offset of the text in the file. The caller keeps `text` alive.
  JsonCursor(std::string_view text, std::string_view path, std::string_view tag = "json",
             const IoLimits& limits = {}, uint64_t base = 0);

  /// Kind of the next value; a number without fraction and exponent is an Int.
  JsonKind peek();
  void begin_object();
  bool next_key(std::string& key);
  void begin_array();
  bool next_item();

  std::string string();
  bool boolean();
  void null();
  /// A whole number of 64 bits with sign.
  int64_t integer();
  /// Any number, rounded to the nearest double; one beyond the largest double is refused.
  double number();
  /// Reads over one value of any kind.
  void skip();
  void finish();

  uint64_t position() const { return position_; }
  [[noreturn]] void fail(const std::string& what, std::string_view hint = "") const;
  [[noreturn]] void fail_at(uint64_t position, const std::string& what,
                            std::string_view hint = "") const;

 private:
  void space();
  char look();
  void expect(char c, std::string_view what);
  void word(std::string_view text);
  void enter(char open, std::string_view what);
  bool next(char close);
  std::string_view number_text(bool& whole);
  void escape(std::string& out);
  uint32_t hex4();
  void count_value();

  std::string_view text_;
  Reader origin_;
  IoLimits limits_;
  uint64_t position_ = 0;
  uint64_t values_ = 0;
  std::vector<bool> first_;  // one per open array or object: nothing of it was read yet
};

template <class T>
concept JsonWhole = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>;

struct JsonMember;

/// One JSON value. Objects keep the order of their members.
class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;

  // What handles the variant is defined once JsonMember is complete.
  JsonValue();
  JsonValue(const JsonValue& other);
  JsonValue(JsonValue&& other) noexcept;
  JsonValue& operator=(const JsonValue& other);
  JsonValue& operator=(JsonValue&& other) noexcept;
  ~JsonValue();
  JsonValue(bool v);              // NOLINT
  JsonValue(double v);            // NOLINT
  JsonValue(std::string v);       // NOLINT
  JsonValue(std::string_view v);  // NOLINT
  JsonValue(const char* v);       // NOLINT
  JsonValue(Array v);             // NOLINT
  JsonValue(Object v);            // NOLINT
  /// Whole numbers up to 2^63 - 1; a larger unsigned one is an InternalError.
  template <JsonWhole T>
  JsonValue(T v);  // NOLINT

  JsonKind kind() const { return static_cast<JsonKind>(data_.index()); }
  bool is(JsonKind k) const { return kind() == k; }

  /// The value as this kind; `what` names it in the UserError (Unreadable) otherwise.
  bool as_bool(std::string_view what) const;
  int64_t as_int(std::string_view what) const;
  double as_float(std::string_view what) const;  // takes an Int too
  const std::string& as_string(std::string_view what) const;
  const Array& as_array(std::string_view what) const;
  const Object& as_object(std::string_view what) const;

  /// The member called `key` of an object, or nullptr.
  const JsonValue* find(std::string_view key) const;
  /// The member called `key`; UserError (Unreadable) when it is missing.
  const JsonValue& at(std::string_view key) const;
  /// Appends to an object (null becomes an empty one), or replaces the member of that name.
  void set(std::string key, JsonValue value);

  bool operator==(const JsonValue& other) const;

 private:
  [[noreturn]] void wrong(std::string_view what, JsonKind wanted) const;
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

struct JsonMember {
  std::string key;
  JsonValue value;
  bool operator==(const JsonMember&) const = default;
};

template <JsonWhole T>
JsonValue::JsonValue(T v) : data_(static_cast<int64_t>(v)) {
  invariant(std::in_range<int64_t>(v), "a JSON number fits 63 bits");
}

JsonValue parse_json(std::string_view text, std::string_view path, std::string_view tag = "json",
                     const IoLimits& limits = {});

/// Builds JSON text; the same calls give the same bytes. Misuse (a value without its key, an
/// unclosed object) is an InternalError. With `indent` > 0 every member has its own line.
class JsonWriter {
 public:
  explicit JsonWriter(int indent = 0) : indent_(indent) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view text);

  /// Bytes that are not UTF-8 become U+FFFD.
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool v);
  template <JsonWhole T>
  JsonWriter& value(T v) {
    before_value();
    append_text(out_, v);
    return *this;
  }
  /// The shortest text that reads back as `v`, always with a fraction or an exponent. JSON has no
  /// infinities and NaNs: they become the strings "inf", "-inf" and "nan".
  JsonWriter& value(double v);
  JsonWriter& value(const JsonValue& v);
  JsonWriter& null();

  template <class T>
  JsonWriter& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }

  std::string finish() &&;

 private:
  struct Level {
    char close;
    bool empty;
  };
  JsonWriter& open(char c);
  JsonWriter& close(char c);
  void before_value();
  void new_line();

  std::string out_;
  std::vector<Level> levels_;
  int indent_;
  bool has_key_ = false;
};

std::string to_json(const JsonValue& value, int indent = 0);

}  // namespace etch::runtime
