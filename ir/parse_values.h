// Types, attributes, constants and names of the text form. Private to the parser.
#pragma once

#include "ir/parse_lexer.h"
#include "ir/support/function_ref.h"
#include "ir/text.h"

namespace etch::ir {

/// Reads the parts of a statement that are not graph structure.
class ValueParser {
 public:
  /// Finds the function that a token names; raises at the token when there is none.
  using FunctionLookup = std::function<GraphRef(const Token&)>;
  ValueParser(Lexer& lexer, const TextLimits& limits, const ConstantLookup& lookup,
              FunctionLookup functions)
      : lex_(lexer), limits_(limits), lookup_(lookup), functions_(std::move(functions)) {}

  /// A quoted name, at most limits.name_bytes long.
  std::string name(std::string_view what);
  /// A decimal number in [low, high].
  int64_t integer(std::string_view what, int64_t low, int64_t high);
  /// A size that ends before one of `stops`.
  Dim dim(std::string_view stops = ",]");
  /// "f32[2, N]".
  TensorType type();
  /// The optional "{name=value, ...}" of an operator; fields that are not named keep their default.
  AttrBox attributes(const OpDef& op);
  /// "#hash [0x3f800000] : f32[1]", after the word "constant".
  std::shared_ptr<const Constant> constant();
  /// Runs `f`, which may raise UserError, and adds the position `at` to its message.
  void locate(size_t at, FunctionRef<void()> f) const;

 private:
  struct AttrReader;

  DType dtype();
  Shape dims();
  uint64_t hex_bits(DType t);
  AttrValue attribute(const AttrValue& like);
  void set_field(const AttrSchema& schema, void* data, const OpDef& op, uint64_t& seen);
  template <class F>
  void list(char close, std::string_view what, F&& item);
  std::shared_ptr<const Constant> inline_constant(const TensorType& t, const Hash128* hash,
                                                  std::span<const uint64_t> bits, size_t at);
  std::shared_ptr<const Constant> stored_constant(const TensorType& t, const Hash128& hash,
                                                  size_t at);

  Lexer& lex_;
  const TextLimits& limits_;
  const ConstantLookup& lookup_;
  FunctionLookup functions_;
  std::unordered_map<std::string_view, Dim> known_dims_;  // symbolic sizes repeat on most lines
};

}  // namespace etch::ir
