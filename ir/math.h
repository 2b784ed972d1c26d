// Math functions, once: every engine runs the operation sequence written in the math_*.h files, and
// so gets the same bits. Expr calls exp(x) to make one node and math::exp(x) to expand it; Native
// calls either. docs/math_accuracy.md has the measured errors.
#pragma once

#include "ir/math_f32.h"
#include "ir/math_f32_trig.h"
#include "ir/math_f32_wide.h"
#include "ir/math_f64.h"
#include "ir/math_f64_trig.h"
#include "ir/math_random.h"

// Every function of one f32 or f64 operand: X(Prim, name).
#define ETCH_MATH_UNARY(X) \
  X(Exp, exp)              \
  X(Exp2, exp2)            \
  X(Expm1, expm1)          \
  X(Log, log)              \
  X(Log2, log2)            \
  X(Log10, log10)          \
  X(Log1p, log1p)          \
  X(Sin, sin)              \
  X(Cos, cos)              \
  X(Tan, tan)              \
  X(Asin, asin)            \
  X(Acos, acos)            \
  X(Atan, atan)            \
  X(Sinh, sinh)            \
  X(Cosh, cosh)            \
  X(Tanh, tanh)            \
  X(Asinh, asinh)          \
  X(Acosh, acosh)          \
  X(Atanh, atanh)          \
  X(Erf, erf)              \
  X(Erfc, erfc)

namespace etch::ir {

namespace math {

// A symbolic scalar knows its type at run time, a native one at compile time.
#define ETCH_MATH_DISPATCH1(Name, fn)                           \
  template <class S>                                            \
  ETCH_INLINE S fn(S x) {                                       \
    if constexpr (std::is_same_v<S, Expr>) {                    \
      return x.dtype() == DType::F32 ? f32::fn(x) : f64::fn(x); \
    } else if constexpr (sizeof(typename S::Value) == 4) {      \
      return f32::fn(x);                                        \
    } else {                                                    \
      return f64::fn(x);                                        \
    }                                                           \
  }
ETCH_MATH_UNARY(ETCH_MATH_DISPATCH1)
#undef ETCH_MATH_DISPATCH1

#define ETCH_MATH_DISPATCH2(fn)                                       \
  template <class S>                                                  \
  ETCH_INLINE S fn(S x, S y) {                                        \
    if constexpr (std::is_same_v<S, Expr>) {                          \
      return x.dtype() == DType::F32 ? f32::fn(x, y) : f64::fn(x, y); \
    } else if constexpr (sizeof(typename S::Value) == 4) {            \
      return f32::fn(x, y);                                           \
    } else {                                                          \
      return f64::fn(x, y);                                           \
    }                                                                 \
  }
ETCH_MATH_DISPATCH2(pow)
ETCH_MATH_DISPATCH2(atan2)
#undef ETCH_MATH_DISPATCH2

}  // namespace math

// The names that operator definitions use, for native scalars.
#define ETCH_NATIVE_MATH(Name, fn)              \
  template <class T, class G>                   \
  ETCH_INLINE Native<T, G> fn(Native<T, G> x) { \
    return math::fn(x);                         \
  }
ETCH_MATH_UNARY(ETCH_NATIVE_MATH)
#undef ETCH_NATIVE_MATH

#define ETCH_NATIVE_MATH2(fn)                                   \
  template <class T, class G>                                   \
  ETCH_INLINE Native<T, G> fn(Native<T, G> x, Native<T, G> y) { \
    return math::fn(x, y);                                      \
  }                                                             \
  template <class T, class G, Literal L>                        \
  ETCH_INLINE Native<T, G> fn(Native<T, G> x, L y) {            \
    return math::fn(x, lit_like(x, y));                         \
  }                                                             \
  template <class T, class G, Literal L>                        \
  ETCH_INLINE Native<T, G> fn(L x, Native<T, G> y) {            \
    return math::fn(lit_like(y, x), y);                         \
  }
ETCH_NATIVE_MATH2(pow)
ETCH_NATIVE_MATH2(atan2)
#undef ETCH_NATIVE_MATH2

template <class G>
ETCH_INLINE Native<uint32_t, G> philox(Native<uint64_t, G> seed, Native<uint64_t, G> ordinal,
                                       Native<uint64_t, G> i) {
  return math::philox(seed, ordinal, i);
}
template <class G>
ETCH_INLINE Native<uint64_t, G> philox64(Native<uint64_t, G> seed, Native<uint64_t, G> ordinal,
                                         Native<uint64_t, G> i) {
  return math::philox64(seed, ordinal, i);
}

}  // namespace etch::ir
