// From an element type to the C++ type that holds it.
#pragma once

#include "ir/dtype.h"

namespace etch {

/// Calls f with a zero of the C++ type of `t`; false when `t` is not numeric (kNumeric).
template <class F>
bool with_numeric_type(DType t, F&& f) {
  switch (t) {
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

}  // namespace etch
