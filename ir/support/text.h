// Small text building for messages, without iostreams.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/dtype.h"

namespace etch {

inline void append_text(std::string& out, std::string_view s) { out += s; }
inline void append_text(std::string& out, const char* s) { out += s; }
inline void append_text(std::string& out, char c) { out += c; }
inline void append_text(std::string& out, bool b) { out += b ? "true" : "false"; }
inline void append_text(std::string& out, DType t) { out += name(t); }

template <class T>
  requires(std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>)
void append_text(std::string& out, T v) {
  char buffer[24];
  auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  out.append(buffer, r.ptr);
}

inline void append_text(std::string& out, double v) {
  char buffer[40];
  auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  out.append(buffer, r.ptr);
}
inline void append_text(std::string& out, float v) {
  char buffer[40];
  auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  out.append(buffer, r.ptr);
}

/// "[a, b, c]".
template <class T>
void append_text(std::string& out, std::span<const T> items) {
  out += '[';
  for (size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out += ", ";
    append_text(out, items[i]);
  }
  out += ']';
}
template <class T>
void append_text(std::string& out, const std::vector<T>& items) {
  append_text(out, std::span<const T>(items));
}

namespace detail {

/// A value and how to append its text.
struct TextPiece {
  const void* value;
  void (*append)(std::string& out, const void* value);

  template <class T>
  explicit TextPiece(const T& v)
      : value(&v), append([](std::string& out, const void* p) {
          append_text(out, *static_cast<const T*>(p));
        }) {}
  explicit TextPiece(const char* const& s) : TextPiece(s, 0) {}
  template <size_t N>
  explicit TextPiece(const char (&s)[N]) : TextPiece(s, 0) {}

 private:
  TextPiece(const char* s, int)
      : value(s), append([](std::string& out, const void* p) {
          append_text(out, static_cast<const char*>(p));
        }) {}
};
std::string concatenate(std::span<const TextPiece> pieces);

}  // namespace detail

/// Concatenates the text of all arguments: cat("expected ", a, ", got ", b).
template <class... Args>
std::string cat(const Args&... args) {
  const detail::TextPiece pieces[] = {detail::TextPiece(args)...};
  return detail::concatenate(pieces);
}

}  // namespace etch
