// From an element type to a C++ type.
#pragma once

#include "ir/dtype.h"

namespace etch {

/// Calls f with a zero of the C++ type whose values `t` holds. False when C++ has none: halves,
/// complex numbers, types below a byte.
template <class F>
bool with_value_type(DType t, F&& f) {
  switch (t) {
    case DType::Bool:
      return f(bool{}), true;
    case DType::U8:
      return f(uint8_t{}), true;
    case DType::I8:
      return f(int8_t{}), true;
    case DType::U16:
      return f(uint16_t{}), true;
    case DType::I16:
      return f(int16_t{}), true;
    case DType::U32:
      return f(uint32_t{}), true;
    case DType::I32:
      return f(int32_t{}), true;
    case DType::U64:
      return f(uint64_t{}), true;
    case DType::I64:
      return f(int64_t{}), true;
    case DType::F32:
      return f(float{}), true;
    case DType::F64:
      return f(double{}), true;
    default:
      return false;
  }
}

/// Calls f with a zero of the C++ type that sums and products of `t` are computed in: `t`'s own, or
/// the unsigned one of its width, since integers wrap. False when `t` is not numeric (kNumeric).
template <class F>
bool with_product_type(DType t, F&& f) {
  switch (t) {
    case DType::U8:
    case DType::I8:
      return f(uint8_t{}), true;
    case DType::U16:
    case DType::I16:
      return f(uint16_t{}), true;
    case DType::U32:
    case DType::I32:
      return f(uint32_t{}), true;
    case DType::U64:
    case DType::I64:
      return f(uint64_t{}), true;
    case DType::F32:
      return f(float{}), true;
    case DType::F64:
      return f(double{}), true;
    default:
      return false;
  }
}

}  // namespace etch
