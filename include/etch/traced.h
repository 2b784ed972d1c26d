// Numbers read from tensors: outside a trace plain numbers, inside one still part of the graph.
#pragma once

#include <type_traits>

#include "etch/tensor.h"

namespace etch {

/// What arithmetic and comparison of Traced numbers record.
enum class TracedOp : uint8_t {
  Add,
  Sub,
  Mul,
  Div,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Equal,
  NotEqual,
};

namespace detail {

/// The element type with a C++ number type's size and kind.
template <class T>
constexpr DType number_dtype() {
  if constexpr (std::is_same_v<T, bool>) return DType::Bool;
  if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? DType::F32 : DType::F64;
  constexpr DType kSigned[] = {DType::I8, DType::I16, DType::I32, DType::I64};
  constexpr DType kUnsigned[] = {DType::U8, DType::U16, DType::U32, DType::U64};
  constexpr int log = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return std::is_signed_v<T> ? kSigned[log] : kUnsigned[log];
}
/// The type in which C++ computes with a T and a U.
template <class T, class U>
using Common = std::common_type_t<decltype(+T{}), decltype(+U{})>;

bool recording();
/// a op b on rank-0 operands converted to `common`; recorded, never part of gradients.
Tensor traced_binary(TracedOp op, const Tensor& a, const Tensor& b, DType common, SourceLoc loc);
/// The host learns a number that depends on traced values: a guard, or a refusal (UserError).
void host_number(const Tensor& source, int64_t integer, bool is_float, SourceLoc loc);
/// The variable's value as an input of the recording; undefined outside of one.
Tensor host_input(const void* address, DType dtype, std::string_view name, SourceLoc loc);

}  // namespace detail

/// A number read from a tensor. Arithmetic and comparison stay symbolic inside a trace; becoming a
/// raw number there is guarded (bool, integers: the recording then holds for that value) or refused
/// (floating numbers). It takes no part in gradients.
template <class T>
class Traced {
 public:
  /// `source` is the rank-0 tensor of a number that a recording must follow, else undefined.
  Traced(T value, Tensor source, SourceLoc loc)
      : value_(value), source_(std::move(source)), loc_(loc) {}
  operator T() const {  // NOLINT: reads like a number
    if (source_.defined()) {
      detail::host_number(source_, std::is_floating_point_v<T> ? 0 : static_cast<int64_t>(value_),
                          std::is_floating_point_v<T>, loc_);
    }
    return value_;
  }
  /// For printing and logging: never recorded, never guarded.
  T peek() const { return value_; }
  /// The value as a rank-0 operand.
  Tensor tensor() const {
    return source_.defined() ? source_ : scalar_tensor(value_, detail::number_dtype<T>());
  }
  bool symbolic() const { return source_.defined(); }
  SourceLoc loc() const { return loc_; }

 private:
  T value_;
  Tensor source_;
  SourceLoc loc_;
};

namespace detail {

/// As C++ does it, but integer division by zero gives 0 and MIN / -1 gives MIN, as in operators.
template <TracedOp Op, class C>
constexpr auto compute(C a, C b) {
  if constexpr (Op == TracedOp::Add) return static_cast<C>(a + b);
  if constexpr (Op == TracedOp::Sub) return static_cast<C>(a - b);
  if constexpr (Op == TracedOp::Mul) return static_cast<C>(a * b);
  if constexpr (Op == TracedOp::Div) {
    if constexpr (std::is_integral_v<C>) {
      if (b == 0) return C{0};
      if (std::is_signed_v<C> && b == static_cast<C>(-1)) return static_cast<C>(C{0} - a);
    }
    return static_cast<C>(a / b);
  }
  if constexpr (Op == TracedOp::Less) return a < b;
  if constexpr (Op == TracedOp::LessEqual) return a <= b;
  if constexpr (Op == TracedOp::Greater) return a > b;
  if constexpr (Op == TracedOp::GreaterEqual) return a >= b;
  if constexpr (Op == TracedOp::Equal) return a == b;
  if constexpr (Op == TracedOp::NotEqual) return a != b;
}

template <TracedOp Op, class C, class R, class A, class B>
Traced<R> traced_result(const A& a, const B& b, R value, bool symbolic, SourceLoc loc) {
  if (!symbolic || !recording()) return {value, Tensor(), loc};
  return {value, traced_binary(Op, a(), b(), number_dtype<C>(), loc), loc};
}

}  // namespace detail

// A literal operand is converted as C++ converts it, so the recorded decision is the host's.
#define ETCH_TRACED_OPERATOR(symbol, op)                                                        \
  template <class T, class U>                                                                   \
  auto operator symbol(const Traced<T>& a, const Traced<U>& b) {                                \
    using C = detail::Common<T, U>;                                                             \
    auto value =                                                                                \
        detail::compute<TracedOp::op, C>(static_cast<C>(a.peek()), static_cast<C>(b.peek()));   \
    return detail::traced_result<TracedOp::op, C>(                                              \
        [&] { return a.tensor(); }, [&] { return b.tensor(); }, value,                          \
        a.symbolic() || b.symbolic(), a.symbolic() ? a.loc() : b.loc());                        \
  }                                                                                             \
  template <class T, class U>                                                                   \
    requires std::is_arithmetic_v<U>                                                            \
  auto operator symbol(const Traced<T>& a, U b) {                                               \
    using C = detail::Common<T, U>;                                                             \
    auto value = detail::compute<TracedOp::op, C>(static_cast<C>(a.peek()), static_cast<C>(b)); \
    return detail::traced_result<TracedOp::op, C>(                                              \
        [&] { return a.tensor(); },                                                             \
        [&] { return scalar_tensor(static_cast<C>(b), detail::number_dtype<C>()); }, value,     \
        a.symbolic(), a.loc());                                                                 \
  }                                                                                             \
  template <class T, class U>                                                                   \
    requires std::is_arithmetic_v<T>                                                            \
  auto operator symbol(T a, const Traced<U>& b) {                                               \
    using C = detail::Common<T, U>;                                                             \
    auto value = detail::compute<TracedOp::op, C>(static_cast<C>(a), static_cast<C>(b.peek())); \
    return detail::traced_result<TracedOp::op, C>(                                              \
        [&] { return scalar_tensor(static_cast<C>(a), detail::number_dtype<C>()); },            \
        [&] { return b.tensor(); }, value, b.symbolic(), b.loc());                              \
  }
ETCH_TRACED_OPERATOR(+, Add)
ETCH_TRACED_OPERATOR(-, Sub)
ETCH_TRACED_OPERATOR(*, Mul)
ETCH_TRACED_OPERATOR(/, Div)
ETCH_TRACED_OPERATOR(<, Less)
ETCH_TRACED_OPERATOR(<=, LessEqual)
ETCH_TRACED_OPERATOR(>, Greater)
ETCH_TRACED_OPERATOR(>=, GreaterEqual)
ETCH_TRACED_OPERATOR(==, Equal)
ETCH_TRACED_OPERATOR(!=, NotEqual)
#undef ETCH_TRACED_OPERATOR

template <class T>
auto operator-(const Traced<T>& x) {
  return static_cast<detail::Common<T, T>>(-1) * x;  // not 0 - x, which loses the sign of 0
}

// With tensors a Traced number is a rank-0 operand.
#define ETCH_TRACED_OPERAND(symbol)                             \
  template <class T>                                            \
  Tensor operator symbol(const Traced<T>& a, const Tensor& b) { \
    return a.tensor() symbol b;                                 \
  }                                                             \
  template <class T>                                            \
  Tensor operator symbol(const Tensor& a, const Traced<T>& b) { \
    return a symbol b.tensor();                                 \
  }
ETCH_TRACED_OPERAND(+)
ETCH_TRACED_OPERAND(-)
ETCH_TRACED_OPERAND(*)
ETCH_TRACED_OPERAND(/)
ETCH_TRACED_OPERAND(<)
ETCH_TRACED_OPERAND(>)
ETCH_TRACED_OPERAND(<=)
ETCH_TRACED_OPERAND(>=)
#undef ETCH_TRACED_OPERAND

/// A variable of the program that may change between calls of a recorded function: a learning rate,
/// a counter. In jit every call reads it again, so it has to live as long as the function; in trace
/// it becomes a further input. Outside of both it is the number.
template <class T>
  requires std::is_arithmetic_v<T>
Traced<T> input(const T& variable, std::string_view name,
                std::source_location loc = std::source_location::current()) {
  return {variable, detail::host_input(&variable, detail::number_dtype<T>(), name, loc), loc};
}
template <class T>
  requires std::is_arithmetic_v<T>
Traced<T> input(const T&& temporary, std::string_view name) = delete;

/// Prints the number; records nothing.
template <class Stream, class T>
  requires std::is_class_v<Stream>
Stream& operator<<(Stream& out, const Traced<T>& x) {
  out << x.peek();
  return out;
}

}  // namespace etch
