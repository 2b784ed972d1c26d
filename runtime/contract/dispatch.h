// From a run-time element type to a template parameter, for contractions.
#pragma once

#include "ir/dtype_dispatch.h"
#include "ir/support/error.h"
#include "ir/support/text.h"
#include "runtime/contract/contract.h"

namespace etch::runtime::contract {

/// Calls f(T{}) with the C++ type that contracts `dtype`: with_product_type(). UserError for types
/// without contractions.
template <class F>
void for_contract_type(DType dtype, const char* op, F f) {
  if (with_product_type(dtype, f)) return;
  fail(op, cat("element type ", dtype, " has no contraction"),
       "Convert to f32, f64 or an integer type first");
}

}  // namespace etch::runtime::contract
