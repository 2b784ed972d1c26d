// The enumeration of scalar primitives and math functions, with their static facts.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ir/dtype.h"

namespace etch::ir {

/// Primitives, then functions; scalar.def says what each computes.
enum class Prim : uint8_t {
#define ETCH_PRIM(Name, text, arity, result, types, spec) Name,
#define ETCH_FUNC(Name, text, arity, result, types, spec) Name,
#include "ir/scalar/scalar.def"
#undef ETCH_PRIM
#undef ETCH_FUNC
};

/// How a node's type follows from its operands: see scalar.def. Word is u32.
enum class PrimResult : uint8_t { Given, Same, Arm, Mask, Word };

struct PrimInfo {
  std::string_view name;
  uint8_t arity;
  PrimResult result;
  DTypeSet types;
  bool is_func;
};

inline constexpr PrimInfo kPrims[] = {
#define ETCH_PRIM(Name, text, arity, result, types, spec) \
  {#text, arity, PrimResult::result, types, false},
#define ETCH_FUNC(Name, text, arity, result, types, spec) \
  {#text, arity, PrimResult::result, types, true},
#include "ir/scalar/scalar.def"
#undef ETCH_PRIM
#undef ETCH_FUNC
};

inline constexpr int kPrimCount = static_cast<int>(sizeof(kPrims) / sizeof(kPrims[0]));

constexpr const PrimInfo& info(Prim p) { return kPrims[static_cast<int>(p)]; }
constexpr std::string_view name(Prim p) { return info(p).name; }
constexpr int arity(Prim p) { return info(p).arity; }
/// True for math functions: nodes that expand() rewrites into primitives.
constexpr bool is_func(Prim p) { return info(p).is_func; }
/// True for nodes without operands.
constexpr bool is_leaf(Prim p) { return info(p).arity == 0; }

constexpr std::optional<Prim> prim_from_name(std::string_view text) {
  for (int i = 0; i < kPrimCount; ++i) {
    if (kPrims[i].name == text) return static_cast<Prim>(i);
  }
  return std::nullopt;
}

/// Result type of `p` on operands of types `a` (operand 0) and `b` (operand 1, Select only).
constexpr DType result_dtype(Prim p, DType a, DType b) {
  switch (info(p).result) {
    case PrimResult::Mask:
      return DType::Bool;
    case PrimResult::Arm:
      return b;
    case PrimResult::Word:
      return DType::U32;
    default:
      return a;
  }
}

}  // namespace etch::ir
