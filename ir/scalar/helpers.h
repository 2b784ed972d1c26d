// Small scalar functions built from primitives, for operator definitions.
#pragma once

#include "ir/scalar/native.h"

namespace etch::ir {

template <class S>
ETCH_INLINE auto is_nan(S x) {
  return ne(x, x);
}
template <class S>
ETCH_INLINE auto is_inf(S x) {
  return eq(abs(x), __builtin_inf());
}
template <class S>
ETCH_INLINE auto is_finite(S x) {
  return lt(abs(x), __builtin_inf());
}

/// -1, 0 (of x's sign) or 1; NaN stays NaN. Any numeric type.
template <class S>
ETCH_INLINE S sign(S x) {
  if (is_unsigned_int(x.dtype())) return select(eq(x, 0), x, lit_like(x, 1));
  return select(lt(x, 0), lit_like(x, -1), select(lt(lit_like(x, 0), x), lit_like(x, 1), x));
}

/// x where it is at least lo and at most hi; NaN in any operand gives NaN.
template <class S>
ETCH_INLINE S clamp(S x, S lo, S hi) {
  return min(max(x, lo), hi);
}

/// 0 where x is negative; keeps -0 and NaN.
template <class S>
ETCH_INLINE S positive_part(S x) {
  return select(lt(x, 0), lit_like(x, 0), x);
}

/// log(1 + e^x) for all x, without overflow: max(x, 0) + log1p(e^-|x|).
template <class S>
ETCH_INLINE S softplus(S x) {
  return positive_part(x) + log1p(exp(-abs(x)));
}

namespace helper {

/// Float remainder with the sign of b (floored) or of a (truncated): a - q b by one fma, then one
/// correction, for the quotient may have rounded to the next integer. Exact while |a/b| < 2^24
/// (f64: 2^53); beyond that the true quotient is unknown, and a result outside the range is 0.
template <class S>
ETCH_INLINE S float_rem(S a, S b, bool floored) {
  S q = a / b;
  q = floored ? floor(q) : trunc(q);
  S r = fma(-q, b, a);
  // In both cases the result lies between 0 and `edge`, which has the sign it must have.
  S edge = floored ? b : copysign(b, a);
  S fixed = select(lt(r * edge, 0), r + edge, select(le(abs(b), abs(r)), r - edge, r));
  auto bad = lt(fixed * edge, 0) | le(abs(b), abs(fixed));
  S zero = copysign(lit_like(a, 0), edge);
  S out = select(bad | eq(fixed, 0), zero, fixed);
  // A finite value by an infinite one: a, or, floored with opposite signs, b.
  auto whole = is_finite(a) & is_inf(b);
  S there = a;
  if (floored) there = select(lt(a * copysign(lit_like(a, 1), b), 0), b, a);
  return select(is_nan(r) & ~whole, r, select(whole, there, out));
}

}  // namespace helper

/// Remainder with the sign of a: C's % and fmod. x rem 0: ints x, floats NaN. Floats: see
/// float_rem.
template <class S>
ETCH_INLINE S rem(S a, S b) {
  if constexpr (std::is_same_v<S, Expr>) {
    if (!is_float(a.dtype())) return int_rem(a, b);
    return helper::float_rem(a, b, false);
  } else if constexpr (native::kIsInt<typename S::Value>) {
    return int_rem(a, b);
  } else {
    return helper::float_rem(a, b, false);
  }
}

namespace helper {

template <class S>
ETCH_INLINE S int_remainder(S a, S b) {
  S r = int_rem(a, b);
  return select(ne(r, 0) & ne(b, 0) & ne(lt(r, 0), lt(b, 0)), r + b, r);
}
template <class S>
ETCH_INLINE S int_floor_div(S a, S b) {
  S q = a / b;
  S r = a - q * b;
  return select(ne(r, 0) & ne(b, 0) & ne(lt(r, 0), lt(b, 0)), q - 1, q);
}
/// floor(a / b) from the remainder: (a - rem) / b is within rounding of an integer.
template <class S>
ETCH_INLINE S float_floor_div(S a, S b) {
  S q = a / b;
  S m = float_rem(a, b, true);
  S d = rint((a - m) / b);
  return select(eq(b, 0) | is_inf(a) | is_inf(b) | is_nan(m), floor(q),
                select(eq(d, 0), copysign(d, q), d));
}

}  // namespace helper

/// Floored remainder, sign of b: Python's %. ints: x mod 0 = x. Floats: see float_rem.
template <class S>
ETCH_INLINE S remainder(S a, S b) {
  if constexpr (std::is_same_v<S, Expr>) {
    if (is_float(a.dtype())) return helper::float_rem(a, b, true);
    return helper::int_remainder(a, b);
  } else if constexpr (native::kIsInt<typename S::Value>) {
    return helper::int_remainder(a, b);
  } else {
    return helper::float_rem(a, b, true);
  }
}

/// Floored quotient: Python's //. ints: x // 0 = 0; floats: a / 0 as IEEE division.
template <class S>
ETCH_INLINE S floor_div(S a, S b) {
  if constexpr (std::is_same_v<S, Expr>) {
    if (is_float(a.dtype())) return helper::float_floor_div(a, b);
    return helper::int_floor_div(a, b);
  } else if constexpr (native::kIsInt<typename S::Value>) {
    return helper::int_floor_div(a, b);
  } else {
    return helper::float_floor_div(a, b);
  }
}

/// Uniform in [0, 1): the top 24 bits of a random u32 word.
template <class S>
ETCH_INLINE auto uniform_f32(S word) {
  return cast<float>(word >> 8) * 0x1p-24;
}
/// Uniform in [0, 1): the top 53 bits of a random u64 word.
template <class S>
ETCH_INLINE auto uniform_f64(S word) {
  return cast<double>(word >> 11) * 0x1p-53;
}

}  // namespace etch::ir
