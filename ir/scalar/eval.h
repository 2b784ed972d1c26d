// Scalar evaluation of primitives and functions: the reference for conformance tests, and folding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/scalar/expr.h"

namespace etch::ir {

// Values travel as bit patterns, zero-extended to 64 bits; bool is 0 or 1.

/// `bits` cut to the width of `t`, every NaN replaced by the positive quiet one.
uint64_t canonical_value(DType t, uint64_t bits);
/// Prim::Cast.
uint64_t eval_cast(DType from, DType to, uint64_t bits);
/// Any primitive but leaves and Reduce, and any function. `operand` is the type of operand 0
/// (Select: of the arms), `in` holds arity(op) values. Throws InternalError for a type that the
/// primitive does not take.
uint64_t eval_prim(Prim op, DType operand, DType result, const uint64_t* in);
/// Values of `roots` with args[i] for Arg i; other leaves of the loop IR throw InternalError.
std::vector<uint64_t> eval_graph(const ExprGraph& g, std::span<const uint32_t> roots,
                                 std::span<const uint64_t> args);

/// Value <-> pattern.
template <class T>
uint64_t to_bits(T v) {
  if constexpr (sizeof(T) == 1)
    return __builtin_bit_cast(uint8_t, v);
  else if constexpr (sizeof(T) == 2)
    return __builtin_bit_cast(uint16_t, v);
  else if constexpr (sizeof(T) == 4)
    return __builtin_bit_cast(uint32_t, v);
  else
    return __builtin_bit_cast(uint64_t, v);
}
template <class T>
T from_bits(uint64_t bits) {
  if constexpr (std::is_same_v<T, bool>)
    return bits != 0;
  else if constexpr (sizeof(T) == 1)
    return __builtin_bit_cast(T, static_cast<uint8_t>(bits));
  else if constexpr (sizeof(T) == 2)
    return __builtin_bit_cast(T, static_cast<uint16_t>(bits));
  else if constexpr (sizeof(T) == 4)
    return __builtin_bit_cast(T, static_cast<uint32_t>(bits));
  else
    return __builtin_bit_cast(T, bits);
}

}  // namespace etch::ir
