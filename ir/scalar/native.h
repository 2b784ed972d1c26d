// The same scalar API as Expr over plain machine values: what auto-vectorised loops are made of.
//
// Everything is forced inline, branch-free and free of loops over coefficients: g++ vectorises the
// surrounding loop only if the whole body melts into it. The Tag keeps instantiations of files
// compiled for different instruction sets apart, should a compiler ever emit one out of line.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "ir/dtype.h"
#include "ir/scalar/expr.h"

#ifndef ETCH_INLINE
#define ETCH_INLINE inline __attribute__((always_inline))
#endif

namespace etch::ir {

struct BaselineTag {};

/// One value of type T (bool, (u)int8..64, float, double) with the operations of scalar.def.
template <class T, class Tag = BaselineTag>
struct Native {
  T v;

  using Value = T;
  template <class U>
  using As = Native<U, Tag>;
  static constexpr DType dtype() { return dtype_of<T>; }
};

namespace native {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;
template <class T>
inline constexpr bool kIsInt = std::is_integral_v<T> && !std::is_same_v<T, bool>;
template <class T>
inline constexpr int kWidth = static_cast<int>(sizeof(T)) * 8;

/// Unsigned type in which wrapping arithmetic on T is done, without promotion to signed int.
template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;
template <class F>
using BitsOf = std::conditional_t<sizeof(F) == 4, uint32_t, uint64_t>;

template <class I, class F>
ETCH_INLINE I saturate(F x) {
  using L = std::numeric_limits<I>;
  constexpr F lo = static_cast<F>(L::min());
  constexpr F hi = static_cast<F>(I{1} << (L::digits - 1)) * F{2};  // first value too large
  F c = x == x ? x : F{0};
  c = c < lo ? lo : c;
  bool big = c >= hi;
  c = big ? F{0} : c;
  // A narrow type goes through int32: one vector conversion instead of none.
  using Step = std::conditional_t<(sizeof(I) < 4), int32_t, I>;
  I i = static_cast<I>(static_cast<Step>(c));
  return big ? L::max() : i;
}

template <class To, class From>
ETCH_INLINE To convert(From x) {
  if constexpr (std::is_same_v<To, bool>)
    return x != From{0};
  else if constexpr (kIsFloat<From> && kIsInt<To>)
    return saturate<To>(x);
  else
    return static_cast<To>(x);
}

/// a * b + c rounded once; where the instruction is missing, by the C library.
ETCH_INLINE float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
ETCH_INLINE double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

ETCH_INLINE float root(float x) { return __builtin_sqrtf(x); }
ETCH_INLINE double root(double x) { return __builtin_sqrt(x); }
ETCH_INLINE float absolute(float x) { return __builtin_fabsf(x); }
ETCH_INLINE double absolute(double x) { return __builtin_fabs(x); }
ETCH_INLINE float floor_of(float x) { return __builtin_floorf(x); }
ETCH_INLINE double floor_of(double x) { return __builtin_floor(x); }
ETCH_INLINE float ceil_of(float x) { return __builtin_ceilf(x); }
ETCH_INLINE double ceil_of(double x) { return __builtin_ceil(x); }
ETCH_INLINE float trunc_of(float x) { return __builtin_truncf(x); }
ETCH_INLINE double trunc_of(double x) { return __builtin_trunc(x); }
ETCH_INLINE float rint_of(float x) { return __builtin_rintf(x); }
ETCH_INLINE double rint_of(double x) { return __builtin_rint(x); }
ETCH_INLINE float sign_from(float a, float b) { return __builtin_copysignf(a, b); }
ETCH_INLINE double sign_from(double a, double b) { return __builtin_copysign(a, b); }

template <class T>
ETCH_INLINE T quotient(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return a / b;
  } else {
    // A float quotient of integers half its width truncates to the exact one, and vectorises.
    using F = std::conditional_t<(sizeof(T) < 4), float, double>;
    bool flip = std::is_signed_v<T> && b == static_cast<T>(-1);
    T d = (b == 0) | flip ? T{1} : b;
    T q;
    if constexpr (sizeof(T) == 8)
      q = a / d;
    else if constexpr (sizeof(T) == 4)
      q = static_cast<T>(static_cast<F>(a) / static_cast<F>(d));
    else
      q = static_cast<T>(static_cast<int32_t>(static_cast<F>(a) / static_cast<F>(d)));
    q = b == 0 ? T{0} : q;
    return flip ? static_cast<T>(Wide<T>{0} - static_cast<Wide<T>>(a)) : q;
  }
}

template <class T>
ETCH_INLINE T smaller(T a, T b) {
  if constexpr (kIsFloat<T>) {
    using U = BitsOf<T>;
    T both = __builtin_bit_cast(T, __builtin_bit_cast(U, a) | __builtin_bit_cast(U, b));
    T m = a < b ? a : b;  // b where b is NaN
    m = a == b ? both : m;
    return a != a ? a : m;
  } else {
    return a < b ? a : b;
  }
}

template <class T>
ETCH_INLINE T larger(T a, T b) {
  if constexpr (kIsFloat<T>) {
    using U = BitsOf<T>;
    T both = __builtin_bit_cast(T, __builtin_bit_cast(U, a) & __builtin_bit_cast(U, b));
    T m = a > b ? a : b;
    m = a == b ? both : m;
    return a != a ? a : m;
  } else {
    return a > b ? a : b;
  }
}

template <class T>
ETCH_INLINE T shift_left(T a, T b) {
  using U = std::make_unsigned_t<T>;
  bool fits = static_cast<U>(b) < U{kWidth<T>};
  U s = fits ? static_cast<U>(b) : U{0};
  T r = static_cast<T>(static_cast<Wide<T>>(a) << s);
  return fits ? r : T{0};
}

template <class T>
ETCH_INLINE T shift_right(T a, T b) {
  using U = std::make_unsigned_t<T>;
  bool fits = static_cast<U>(b) < U{kWidth<T>};
  U s = fits ? static_cast<U>(b) : U{kWidth<T> - 1};
  T r = static_cast<T>(a >> s);
  return fits || std::is_signed_v<T> ? r : T{0};
}

}  // namespace native

// clang-format off
#define ETCH_N template <class T, class G> ETCH_INLINE

/// Literal `v` with the type of `x`.
template <class T, class G, Literal L>
ETCH_INLINE Native<T, G> lit_like(Native<T, G>, L v) { return {native::convert<T>(v)}; }
template <class U, class T, class G, Literal L>
ETCH_INLINE Native<U, G> lit_as(Native<T, G>, L v) { return {native::convert<U>(v)}; }

template <class U, class T, class G>
ETCH_INLINE Native<U, G> cast(Native<T, G> x) { return {native::convert<U>(x.v)}; }
template <class U, class T, class G>
ETCH_INLINE Native<U, G> bitcast(Native<T, G> x) { return {__builtin_bit_cast(U, x.v)}; }

// Arithmetic on integers is done in an unsigned type: it wraps.
#define ETCH_NATIVE_ARITH(op)                                                          \
  ETCH_N Native<T, G> operator op(Native<T, G> a, Native<T, G> b) {                    \
    if constexpr (native::kIsFloat<T>) return {a.v op b.v};                            \
    else {                                                                             \
      using W = native::Wide<T>;                                                       \
      return {static_cast<T>(static_cast<W>(a.v) op static_cast<W>(b.v))};             \
    }                                                                                  \
  }
ETCH_NATIVE_ARITH(+)
ETCH_NATIVE_ARITH(-)
ETCH_NATIVE_ARITH(*)
#undef ETCH_NATIVE_ARITH
ETCH_N Native<T, G> operator/(Native<T, G> a, Native<T, G> b) {
  return {native::quotient(a.v, b.v)};
}
ETCH_N Native<T, G> int_rem(Native<T, G> a, Native<T, G> b) { return a - a / b * b; }
ETCH_N Native<T, G> operator-(Native<T, G> x) {
  if constexpr (native::kIsFloat<T>) return {-x.v};
  else return Native<T, G>{T{0}} - x;
}
ETCH_N Native<T, G> abs(Native<T, G> x) {
  if constexpr (native::kIsFloat<T>) return {native::absolute(x.v)};
  else if constexpr (std::is_signed_v<T>) return x.v < 0 ? -x : x;
  else return x;
}
ETCH_N Native<T, G> sqrt(Native<T, G> x) { return {native::root(x.v)}; }
ETCH_N Native<T, G> floor(Native<T, G> x) { return {native::floor_of(x.v)}; }
ETCH_N Native<T, G> ceil(Native<T, G> x) { return {native::ceil_of(x.v)}; }
ETCH_N Native<T, G> trunc(Native<T, G> x) { return {native::trunc_of(x.v)}; }
ETCH_N Native<T, G> rint(Native<T, G> x) { return {native::rint_of(x.v)}; }
ETCH_N Native<T, G> copysign(Native<T, G> a, Native<T, G> b) {
  return {native::sign_from(a.v, b.v)};
}
ETCH_N Native<T, G> min(Native<T, G> a, Native<T, G> b) { return {native::smaller(a.v, b.v)}; }
ETCH_N Native<T, G> max(Native<T, G> a, Native<T, G> b) { return {native::larger(a.v, b.v)}; }
ETCH_N Native<T, G> fma(Native<T, G> a, Native<T, G> b, Native<T, G> c) {
  return {native::fused(a.v, b.v, c.v)};
}
template <class T, class G, Literal L>
ETCH_INLINE Native<T, G> fma(Native<T, G> a, Native<T, G> b, L c) {
  return fma(a, b, lit_like(a, c));
}
template <class T, class G, Literal L>
ETCH_INLINE Native<T, G> fma(Native<T, G> a, L b, Native<T, G> c) {
  return fma(a, lit_like(a, b), c);
}
template <class T, class G, Literal L, Literal M>
ETCH_INLINE Native<T, G> fma(Native<T, G> a, L b, M c) {
  return fma(a, lit_like(a, b), lit_like(a, c));
}

ETCH_N Native<T, G> operator&(Native<T, G> a, Native<T, G> b) {
  return {static_cast<T>(a.v & b.v)};
}
ETCH_N Native<T, G> operator|(Native<T, G> a, Native<T, G> b) {
  return {static_cast<T>(a.v | b.v)};
}
ETCH_N Native<T, G> operator^(Native<T, G> a, Native<T, G> b) {
  return {static_cast<T>(a.v ^ b.v)};
}
ETCH_N Native<T, G> operator~(Native<T, G> x) {
  if constexpr (std::is_same_v<T, bool>) return {!x.v};
  else return {static_cast<T>(~x.v)};
}
ETCH_N Native<T, G> operator!(Native<T, G> x) { return ~x; }
ETCH_N Native<T, G> operator<<(Native<T, G> a, Native<T, G> b) {
  return {native::shift_left(a.v, b.v)};
}
ETCH_N Native<T, G> operator>>(Native<T, G> a, Native<T, G> b) {
  return {native::shift_right(a.v, b.v)};
}

ETCH_N Native<bool, G> eq(Native<T, G> a, Native<T, G> b) { return {a.v == b.v}; }
ETCH_N Native<bool, G> ne(Native<T, G> a, Native<T, G> b) { return {a.v != b.v}; }
ETCH_N Native<bool, G> lt(Native<T, G> a, Native<T, G> b) { return {a.v < b.v}; }
ETCH_N Native<bool, G> le(Native<T, G> a, Native<T, G> b) { return {a.v <= b.v}; }
ETCH_N Native<bool, G> gt(Native<T, G> a, Native<T, G> b) { return {b.v < a.v}; }
ETCH_N Native<bool, G> ge(Native<T, G> a, Native<T, G> b) { return {b.v <= a.v}; }
ETCH_N Native<bool, G> operator==(Native<T, G> a, Native<T, G> b) { return eq(a, b); }
ETCH_N Native<bool, G> operator!=(Native<T, G> a, Native<T, G> b) { return ne(a, b); }
ETCH_N Native<bool, G> operator<(Native<T, G> a, Native<T, G> b) { return lt(a, b); }
ETCH_N Native<bool, G> operator<=(Native<T, G> a, Native<T, G> b) { return le(a, b); }
ETCH_N Native<bool, G> operator>(Native<T, G> a, Native<T, G> b) { return gt(a, b); }
ETCH_N Native<bool, G> operator>=(Native<T, G> a, Native<T, G> b) { return ge(a, b); }

/// c ? a : b, without control flow: both arms are evaluated.
ETCH_N Native<T, G> select(Native<bool, G> c, Native<T, G> a, Native<T, G> b) {
  return {c.v ? a.v : b.v};
}
template <class T, class G, Literal L>
ETCH_INLINE Native<T, G> select(Native<bool, G> c, Native<T, G> a, L b) {
  return select(c, a, lit_like(a, b));
}
template <class T, class G, Literal L>
ETCH_INLINE Native<T, G> select(Native<bool, G> c, L a, Native<T, G> b) {
  return select(c, lit_like(b, a), b);
}

// A C++ literal on either side takes the type of the other operand.
#define ETCH_NATIVE_LITERAL(fn)                                                                  \
  template <class T, class G, Literal L>                                                         \
  ETCH_INLINE auto fn(Native<T, G> a, L v) { return fn(a, lit_like(a, v)); }                     \
  template <class T, class G, Literal L>                                                         \
  ETCH_INLINE auto fn(L v, Native<T, G> b) { return fn(lit_like(b, v), b); }
ETCH_NATIVE_LITERAL(operator+)
ETCH_NATIVE_LITERAL(operator-)
ETCH_NATIVE_LITERAL(operator*)
ETCH_NATIVE_LITERAL(operator/)
ETCH_NATIVE_LITERAL(operator&)
ETCH_NATIVE_LITERAL(operator|)
ETCH_NATIVE_LITERAL(operator^)
ETCH_NATIVE_LITERAL(operator<<)
ETCH_NATIVE_LITERAL(operator>>)
ETCH_NATIVE_LITERAL(operator==)
ETCH_NATIVE_LITERAL(operator!=)
ETCH_NATIVE_LITERAL(operator<)
ETCH_NATIVE_LITERAL(operator<=)
ETCH_NATIVE_LITERAL(operator>)
ETCH_NATIVE_LITERAL(operator>=)
ETCH_NATIVE_LITERAL(eq)
ETCH_NATIVE_LITERAL(ne)
ETCH_NATIVE_LITERAL(lt)
ETCH_NATIVE_LITERAL(le)
ETCH_NATIVE_LITERAL(gt)
ETCH_NATIVE_LITERAL(ge)
ETCH_NATIVE_LITERAL(int_rem)
ETCH_NATIVE_LITERAL(min)
ETCH_NATIVE_LITERAL(max)
ETCH_NATIVE_LITERAL(copysign)
#undef ETCH_NATIVE_LITERAL
#undef ETCH_N
// clang-format on

static_assert(Scalar<Native<float>> && Scalar<Native<double>>);

}  // namespace etch::ir
