// From a run-time element type to a template parameter, for contractions.
#pragma once

#include "ir/support/error.h"
#include "ir/support/text.h"
#include "runtime/contract/contract.h"

namespace etch::runtime::contract {

/// Calls f(T{}) with the C++ type of `dtype`; UserError for types without contractions.
template <class F>
void for_contract_type(DType dtype, const char* op, F f) {
  switch (dtype) {
    case DType::U8:
      return f(uint8_t{});
    case DType::I8:
      return f(int8_t{});
    case DType::U16:
      return f(uint16_t{});
    case DType::I16:
      return f(int16_t{});
    case DType::U32:
      return f(uint32_t{});
    case DType::I32:
      return f(int32_t{});
    case DType::U64:
      return f(uint64_t{});
    case DType::I64:
      return f(int64_t{});
    case DType::F32:
      return f(float{});
    case DType::F64:
      return f(double{});
    default:
      fail(op, cat("element type ", dtype, " has no contraction"),
           "Convert to f32, f64 or an integer type first");
  }
}

}  // namespace etch::runtime::contract
