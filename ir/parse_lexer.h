// Tokens of the text form, with the position for errors. Private to the parser.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace etch::ir {

enum class Tok : uint8_t {
  End,
  Word,    // add, f32, softmax.v2
  Value,   // %name, text without the %
  Func,    // @name
  Hash,    // #hex
  Number,  // 12, -3, 0x3f800000
  String,  // "text", text between the quotes, escapes as written
  Punct,   // one character, or ->
};

struct Token {
  Tok kind = Tok::End;
  std::string_view text;
  size_t at = 0;  // byte offset
};

/// One token of look-ahead over text that nobody vouches for.
class Lexer {
 public:
  Lexer(std::string_view text, std::string_view source_name);

  const Token& peek() const { return token_; }
  Token take() {
    Token t = token_;
    advance();
    return t;
  }
  bool is(Tok kind, std::string_view text) const {
    return token_.kind == kind && token_.text == text;
  }
  bool is_punct(char c) const {
    return token_.kind == Tok::Punct && token_.text.size() == 1 && token_.text[0] == c;
  }
  /// Takes the token when it is the punctuation `c` (or the word).
  bool eat(char c) {
    if (!is_punct(c)) return false;
    advance();
    return true;
  }
  bool eat_word(std::string_view word) {
    if (!is(Tok::Word, word)) return false;
    advance();
    return true;
  }
  /// Takes a token or raises "expected <what>, found <token>".
  void expect(char c, std::string_view what);
  void expect_word(std::string_view word);
  Token expect(Tok kind, std::string_view what);
  /// The raw text up to one of `stops` outside parentheses, starting at the current token; at most
  /// `limit` bytes on one line, without trailing spaces. The separator becomes the current token.
  std::string_view take_dim(size_t limit, std::string_view stops);

  /// Raises UserError of kind Unreadable: "source:line:column: expected ..., found ...".
  [[noreturn]] void fail_here(std::string_view expected) const;
  [[noreturn]] void fail_at(size_t at, const std::string& problem,
                            std::string_view hint = "") const;

 private:
  void advance();
  void skip_space();
  void lex_string();
  void lex_number();
  size_t word_end(size_t from) const;
  void set(Tok kind, size_t begin, size_t end, size_t text_begin);

  std::string_view text_;
  std::string_view source_;
  size_t at_ = 0;  // after the current token
  Token token_;
};

/// The text of a String token with its escapes resolved.
std::string unescape(std::string_view raw);

}  // namespace etch::ir
