// Measures the error of the math functions in units in the last place, against wider references.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/dtype.h"
#include "ir/scalar/prim.h"
#include "runtime/isa.h"

namespace etch::tools {

/// Worst case over the points visited. A NaN where none belongs, or none where one does, is
/// `wrong`.
struct UlpResult {
  uint64_t points = 0;
  double max_ulp = 0;
  double at[2] = {0, 0};
  uint64_t wrong = 0;
  double wrong_at[2] = {0, 0};

  void merge(const UlpResult& other);
};

/// The functions that can be measured, in the order of scalar.def.
const std::vector<ir::Prim>& ulp_functions();

/// f32, one operand: every `stride`-th of the 2^32 bit patterns from `first` on, against the C
/// library's double functions (64-bit precision beyond 2^-29 of an f32 ulp is not needed).
UlpResult sweep_f32(ir::Prim op, uint64_t first, uint64_t stride, runtime::Isa isa);

/// `count` points each of: random bit patterns, the function's interesting range, and its edges.
/// Against the C library's long double functions, whose 64 bits leave 2^-11 of an f64 ulp.
UlpResult sample(ir::Prim op, DType t, uint64_t count, uint64_t seed, runtime::Isa isa);

/// "| exp | f32 | 4294967296 | 0.98 | 0x1.8p+3 |"
std::string to_row(ir::Prim op, DType t, const UlpResult& r);

}  // namespace etch::tools
