// Written plainly, and apart from native.h: the two check each other in tests.
#include "ir/scalar/eval.h"

#include <cmath>
#include <limits>

#include "ir/dtype_dispatch.h"
#include "ir/math.h"
#include "ir/scalar/native.h"
#include "ir/support/error.h"
#include "ir/support/text.h"

namespace etch::ir {

namespace {

/// What f gives for a value of the C++ type of `t`.
template <class F>
uint64_t with_type(DType t, F&& f) {
  uint64_t out = 0;
  if (!with_value_type(t, [&](auto zero) { out = f(zero); })) {
    fail_internal(cat("scalar evaluation on ", t));
  }
  return out;
}

[[noreturn]] void bad_type(Prim op, DType t) {
  fail_internal(cat("scalar ", name(op), " does not take ", t));
}

template <class To, class From>
To cast_value(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From{0};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using L = std::numeric_limits<To>;
    if (x != x) return 0;
    From whole = std::trunc(x);
    if (whole <= static_cast<From>(L::min())) return L::min();
    if (whole >= std::ldexp(From{1}, L::digits)) return L::max();
    return static_cast<To>(whole);
  } else {
    return static_cast<To>(x);
  }
}

template <class T>
T eval_float(Prim op, const T* x) {
  T a = x[0], b = x[1];
  bool unordered = a != a || b != b;
  switch (op) {
    case Prim::Add:
      return a + b;
    case Prim::Sub:
      return a - b;
    case Prim::Mul:
      return a * b;
    case Prim::Div:
      return a / b;
    case Prim::Neg:
      return std::copysign(a, std::signbit(a) ? T{1} : T{-1});
    case Prim::Abs:
      return std::fabs(a);
    case Prim::Sqrt:
      return std::sqrt(a);
    case Prim::Fma:
      return std::fma(a, b, x[2]);
    case Prim::Min:
      return unordered ? a + b : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b;
    case Prim::Max:
      return unordered ? a + b : a == b ? (std::signbit(a) ? b : a) : a < b ? b : a;
    case Prim::Floor:
      return std::floor(a);
    case Prim::Ceil:
      return std::ceil(a);
    case Prim::Trunc:
      return std::trunc(a);
    case Prim::Rint:
      return std::nearbyint(a);
    case Prim::Copysign:
      return std::copysign(a, b);
    default:
      bad_type(op, dtype_of<T>);
  }
}

/// The value that the pattern of an integer type stands for.
__int128 int_value(DType t, uint64_t pattern) {
  const int unused = 64 - bits(t);
  return is_signed_int(t) ? static_cast<__int128>(static_cast<int64_t>(pattern << unused) >> unused)
                          : static_cast<__int128>(pattern << unused >> unused);
}
uint64_t int_pattern(DType t, __int128 value) {
  const int unused = 64 - bits(t);
  return static_cast<uint64_t>(value) << unused >> unused;
}

uint64_t eval_int(Prim op, DType t, const uint64_t* x) {
  const __int128 a = int_value(t, x[0]);
  const __int128 b = arity(op) < 2 ? 0 : int_value(t, x[1]);
  const int width = bits(t);
  const bool over = b < 0 || b >= width;
  switch (op) {
    case Prim::Add:
      return int_pattern(t, a + b);
    case Prim::Sub:
      return int_pattern(t, a - b);
    case Prim::Mul:
      return int_pattern(t, static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    case Prim::Div:
      return b == 0 ? 0 : int_pattern(t, a / b);
    case Prim::Rem:
      return int_pattern(t, b == 0 ? a : a % b);
    case Prim::Neg:
      return int_pattern(t, -a);
    case Prim::Abs:
      return int_pattern(t, a < 0 ? -a : a);
    case Prim::Min:
      return int_pattern(t, a < b ? a : b);
    case Prim::Max:
      return int_pattern(t, a < b ? b : a);
    case Prim::And:
      return int_pattern(t, a & b);
    case Prim::Or:
      return int_pattern(t, a | b);
    case Prim::Xor:
      return int_pattern(t, a ^ b);
    case Prim::Not:
      return int_pattern(t, ~a);
    case Prim::Shl:
      return over ? 0 : int_pattern(t, static_cast<uint64_t>(a) << static_cast<int>(b));
    case Prim::Shr:
      return over ? int_pattern(t, a < 0 ? -1 : 0) : int_pattern(t, a >> static_cast<int>(b));
    default:
      bad_type(op, t);
  }
}

bool eval_bool(Prim op, const bool* x) {
  switch (op) {
    case Prim::And:
    case Prim::Min:
      return x[0] && x[1];
    case Prim::Or:
    case Prim::Max:
      return x[0] || x[1];
    case Prim::Xor:
      return x[0] != x[1];
    case Prim::Not:
      return !x[0];
    default:
      bad_type(op, DType::Bool);
  }
}

template <class T>
bool eval_compare(Prim op, T a, T b) {
  switch (op) {
    case Prim::Eq:
      return a == b;
    case Prim::Ne:
      return !(a == b);
    case Prim::Lt:
      return a < b;
    default:
      return a <= b;
  }
}

template <class T>
uint64_t eval_func(Prim op, const uint64_t* in) {
  using N = Native<T>;
  const N x{from_bits<T>(in[0])};
  switch (op) {
#define ETCH_CASE(Name, text) \
  case Prim::Name:            \
    return to_bits(text(x).v);
    ETCH_MATH_UNARY(ETCH_CASE)
#undef ETCH_CASE
    case Prim::Pow:
      return to_bits(pow(x, N{from_bits<T>(in[1])}).v);
    case Prim::Atan2:
      return to_bits(atan2(x, N{from_bits<T>(in[1])}).v);
    default:
      bad_type(op, dtype_of<T>);
  }
}

template <class T>
uint64_t eval_float_prim(Prim op, bool compares, const uint64_t* in) {
  if (is_func(op)) return eval_func<T>(op, in);
  T x[3] = {};
  for (int i = 0; i < arity(op); ++i) x[i] = from_bits<T>(in[i]);
  return compares ? eval_compare(op, x[0], x[1]) : to_bits(eval_float(op, x));
}

uint64_t eval_random(Prim op, DType t, const uint64_t* in) {
  using N = Native<uint64_t>;
  if (t == DType::U64 && op == Prim::Philox) return philox(N{in[0]}, N{in[1]}, N{in[2]}).v;
  if (t == DType::U64 && op == Prim::Philox64) return philox64(N{in[0]}, N{in[1]}, N{in[2]}).v;
  bad_type(op, t);
}

}  // namespace

uint64_t canonical_value(DType t, uint64_t bits) {
  if (t == DType::Bool) return bits != 0;
  if (itemsize(t) < 8) bits &= (uint64_t{1} << (8 * itemsize(t))) - 1;
  if (t == DType::F32 && (bits & 0x7fffffffu) > 0x7f800000u) return 0x7fc00000u;
  if (t == DType::F64 && (bits & ~(uint64_t{1} << 63)) > 0x7ff0000000000000u)
    return 0x7ff8000000000000u;
  return bits;
}

uint64_t eval_cast(DType from, DType to, uint64_t bits) {
  return with_type(from, [&](auto f) {
    using From = decltype(f);
    return with_type(to, [&](auto t) {
      using To = decltype(t);
      return to_bits(cast_value<To>(from_bits<From>(bits)));
    });
  });
}

uint64_t eval_prim(Prim op, DType operand, DType result, const uint64_t* in) {
  if (op == Prim::Select) return in[0] != 0 ? in[1] : in[2];
  if (op == Prim::Cast) return eval_cast(operand, result, in[0]);
  if (op == Prim::Bitcast) return in[0];
  if (!contains(info(op).types, operand)) bad_type(op, operand);
  const bool compares = info(op).result == PrimResult::Mask;
  if (operand == DType::F32) return eval_float_prim<float>(op, compares, in);
  if (operand == DType::F64) return eval_float_prim<double>(op, compares, in);
  if (is_func(op)) return eval_random(op, operand, in);
  if (compares) return eval_compare(op, int_value(operand, in[0]), int_value(operand, in[1]));
  if (operand != DType::Bool) return eval_int(op, operand, in);
  const bool x[] = {in[0] != 0, arity(op) > 1 && in[1] != 0};
  return eval_bool(op, x);
}

std::vector<uint64_t> eval_graph(const ExprGraph& g, std::span<const uint32_t> roots,
                                 std::span<const uint64_t> args) {
  std::vector<uint64_t> value(g.size());
  for (uint32_t id = 0; id < g.size(); ++id) {
    const ExprNode& n = g.node(id);
    if (n.op == Prim::Lit) {
      value[id] = n.bits;
    } else if (n.op == Prim::Arg) {
      invariant(n.bits < args.size(), "scalar evaluation: argument missing");
      value[id] = args[n.bits];
    } else {
      invariant(!is_leaf(n.op) && n.op != Prim::Reduce, "scalar evaluation of a loop IR leaf");
      uint64_t in[4] = {};
      for (int i = 0; i < arity(n.op); ++i) in[i] = value[n.in[i]];
      value[id] = eval_prim(n.op, g.node(n.in[n.op == Prim::Select ? 1 : 0]).dtype, n.dtype, in);
    }
  }
  std::vector<uint64_t> out;
  for (uint32_t r : roots) out.push_back(value[r]);
  return out;
}

}  // namespace etch::ir
