#include "ir/parse_lexer.h"

#include <algorithm>

#include "ir/support/error.h"

namespace etch::ir {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '.'; }

/// Shows foreign text inside a message: short, without control characters.
std::string quoted(std::string_view text) {
  constexpr size_t kShown = 40;
  std::string out = "'";
  for (char c : text.substr(0, kShown)) {
    unsigned char u = static_cast<unsigned char>(c);
    if (u < 32 || u == 127) {
      out += cat("\\x", "0123456789abcdef"[u >> 4], "0123456789abcdef"[u & 15]);
    } else {
      out += c;
    }
  }
  return out + (text.size() > kShown ? "...'" : "'");
}

}  // namespace

Lexer::Lexer(std::string_view text, std::string_view source_name)
    : text_(text), source_(source_name) {
  advance();
}

void Lexer::skip_space() {
  while (at_ < text_.size()) {
    char c = text_[at_];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '/' && at_ + 1 < text_.size() && text_[at_ + 1] == '/') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else {
      return;
    }
  }
}

size_t Lexer::word_end(size_t from) const {
  while (from < text_.size() && is_word(text_[from])) ++from;
  return from;
}

void Lexer::set(Tok kind, size_t begin, size_t end, size_t text_begin) {
  token_ = {kind, text_.substr(text_begin, end - text_begin), begin};
  at_ = end;
}

void Lexer::advance() {
  skip_space();
  size_t begin = at_;
  if (begin >= text_.size()) return set(Tok::End, text_.size(), text_.size(), text_.size());
  char c = text_[begin];
  bool minus = c == '-' && begin + 1 < text_.size();
  if (is_letter(c)) return set(Tok::Word, begin, word_end(begin), begin);
  if (is_digit(c) || (minus && is_digit(text_[begin + 1]))) return lex_number();
  if (c == '"') return lex_string();
  if (minus && text_[begin + 1] == '>') return set(Tok::Punct, begin, begin + 2, begin);
  Tok kind = c == '%' ? Tok::Value : c == '@' ? Tok::Func : c == '#' ? Tok::Hash : Tok::Punct;
  if (kind == Tok::Punct) return set(kind, begin, begin + 1, begin);
  size_t end = word_end(begin + 1);
  if (end == begin + 1) fail_at(begin, cat("expected a name after '", c, "'"));
  set(kind, begin, end, begin + 1);
}

void Lexer::lex_number() {
  size_t end = at_ + 1;
  while (end < text_.size() && (is_digit(text_[end]) || is_letter(text_[end]))) ++end;
  set(Tok::Number, at_, end, at_);
}

void Lexer::lex_string() {
  size_t begin = at_, end = at_ + 1;
  while (end < text_.size() && text_[end] != '"' && text_[end] != '\n') {
    end += text_[end] == '\\' ? 2 : 1;
  }
  if (end >= text_.size() || text_[end] != '"') {
    fail_at(begin, "expected a closing '\"' on the same line, found none");
  }
  set(Tok::String, begin, end, begin + 1);
  ++at_;
}

void Lexer::expect(char c, std::string_view what) {
  if (!eat(c)) fail_here(cat("'", c, "' ", what));
}
void Lexer::expect_word(std::string_view word) {
  if (!eat_word(word)) fail_here(cat("'", word, "'"));
}
Token Lexer::expect(Tok kind, std::string_view what) {
  if (token_.kind != kind) fail_here(what);
  return take();
}

std::string_view Lexer::take_dim(size_t limit, std::string_view stops) {
  size_t begin = token_.at, end = begin;
  int depth = 0;
  for (; end < text_.size() && end - begin <= limit; ++end) {
    char c = text_[end];
    if (c == '\n' || (depth == 0 && stops.find(c) != std::string_view::npos)) break;
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
  }
  if (end - begin > limit) {
    fail_at(begin, cat("expected a size of at most ", limit, " characters, found a longer one"));
  }
  at_ = end;
  advance();
  while (end > begin && text_[end - 1] == ' ') --end;
  return text_.substr(begin, end - begin);
}

void Lexer::fail_here(std::string_view expected) const {
  std::string found = token_.kind == Tok::End ? "the end of the text"
                                              : quoted(text_.substr(token_.at, at_ - token_.at));
  fail_at(token_.at, cat("expected ", expected, ", found ", found));
}

void Lexer::fail_at(size_t at, const std::string& problem, std::string_view hint) const {
  std::string_view before = text_.substr(0, at);
  size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  size_t start = before.rfind('\n');
  size_t column = at - (start == std::string_view::npos ? 0 : start + 1) + 1;
  fail_file("parse", cat(source_, ":", line, ":", column), problem, hint);
}

std::string unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    bool escaped = raw[i] == '\\' && i + 1 < raw.size();
    if (escaped) ++i;
    out += escaped && raw[i] == 'n' ? '\n' : raw[i];
  }
  return out;
}

}  // namespace etch::ir
