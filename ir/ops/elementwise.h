// Elementwise arithmetic, rounding, logic, comparison and choice.
#pragma once

#include "ir/op.h"
#include "ir/scalar/helpers.h"

namespace etch::ir {

inline constexpr DTypeSet kSignedNumeric = kSignedSet | kFloats;
inline constexpr DTypeSet kIntsAndBool = kInts | kBoolSet;

/// Conversion to another dtype; docs/semantics.md has the rules.
struct Cast : Elementwise<1> {
  struct Attrs {
    DType to = DType::F32;
    static constexpr auto fields() { return std::tuple{field("to", &Attrs::to)}; }
  };
  static constexpr ResultType result = ResultType::Attr;
  static constexpr OpInfo info{
      .name = "cast", .doc = "x converted to another dtype", .onnx = {.op = "Cast", .since = 9}};
  static Expr scalar(const Attrs& a, Expr x) { return x.dtype() == a.to ? x : cast(x, a.to); }
  static Grads vjp(const Call& c) {
    if (!is_float(c.as<Attrs>().to)) return {Var()};
    return {op<Cast>({c.in(0).dtype()}, c.grad())};
  }
};

struct Add : Elementwise<2> {
  static constexpr OpInfo info{.name = "add",
                               .doc = "a + b; bool: or",
                               .onnx = {.op = "Add", .since = 7},
                               .commutative = true};
  static Expr scalar(Expr a, Expr b) { return is_bool(a.dtype()) ? a | b : a + b; }
  static Grads vjp(const Call& c) { return {c.grad(), c.grad()}; }
};

struct Sub : Elementwise<2> {
  static constexpr OpInfo info{
      .name = "sub", .doc = "a - b", .types = kNumeric, .onnx = {.op = "Sub", .since = 7}};
  static Expr scalar(Expr a, Expr b) { return a - b; }
  static Grads vjp(const Call& c) { return {c.grad(), -c.grad()}; }
};

struct Mul : Elementwise<2> {
  static constexpr OpInfo info{.name = "mul",
                               .doc = "a * b; bool: and",
                               .onnx = {.op = "Mul", .since = 7},
                               .commutative = true};
  static Expr scalar(Expr a, Expr b) { return is_bool(a.dtype()) ? a & b : a * b; }
  static Grads vjp(const Call& c) {
    return {c.wants(0) ? c.grad() * c.in(1) : Var(), c.wants(1) ? c.grad() * c.in(0) : Var()};
  }
};

struct Div : Elementwise<2> {
  static constexpr OpInfo info{.name = "div",
                               .doc = "a / b; integers give f32",
                               .types = kFloats,
                               .onnx = {.op = "Div", .since = 7},
                               .domain = Domain::NonZero};
  static Expr scalar(Expr a, Expr b) { return a / b; }
  static Grads vjp(const Call& c) {
    Var g = c.grad() / c.in(1);
    return {g, c.wants(1) ? -(g * c.out()) : Var()};
  }
};

struct TruncDivide : Elementwise<2> {
  static constexpr OpInfo info{.name = "trunc_divide",
                               .doc = "a / b rounded towards zero; integers: x/0 = 0",
                               .types = kNumeric,
                               .onnx = kNoOnnx("integer division by zero is undefined in ONNX"),
                               .domain = Domain::NonZero};
  static constexpr NoGradient vjp{"piecewise constant"};
  static Expr scalar(Expr a, Expr b) { return is_float(a.dtype()) ? trunc(a / b) : a / b; }
};

struct FloorDivide : Elementwise<2> {
  static constexpr OpInfo info{.name = "floor_divide",
                               .doc = "a / b rounded towards -inf; integers: x/0 = 0",
                               .types = kNumeric,
                               .onnx = kNoOnnx("integer division by zero is undefined in ONNX"),
                               .domain = Domain::NonZero};
  static constexpr NoGradient vjp{"piecewise constant"};
  static Expr scalar(Expr a, Expr b) { return floor_div(a, b); }
};

struct Remainder : Elementwise<2> {
  static constexpr OpInfo info{.name = "remainder",
                               .doc = "a - b * floor(a / b), the sign of b; integers: x%0 = x",
                               .types = kNumeric,
                               .onnx = kNoOnnx("Mod differs for division by zero"),
                               .domain = Domain::NonZero};
  static constexpr NoGradient vjp{"only defined almost everywhere; write a - b * floor(a / b)"};
  static Expr scalar(Expr a, Expr b) { return remainder(a, b); }
};

struct Maximum : Elementwise<2> {
  static constexpr OpInfo info{.name = "maximum",
                               .doc = "the larger; NaN if either is NaN",
                               .onnx = {.op = "Max", .since = 8},
                               .commutative = true};
  static Expr scalar(Expr a, Expr b) { return max(a, b); }
  static Grads vjp(const Call& c);
};

struct Minimum : Elementwise<2> {
  static constexpr OpInfo info{.name = "minimum",
                               .doc = "the smaller; NaN if either is NaN",
                               .onnx = {.op = "Min", .since = 8},
                               .commutative = true};
  static Expr scalar(Expr a, Expr b) { return min(a, b); }
  static Grads vjp(const Call& c);
};

struct Neg : Elementwise<1> {
  static constexpr OpInfo info{
      .name = "neg", .doc = "-x", .types = kNumeric, .onnx = {.op = "Neg", .since = 6}};
  static Expr scalar(Expr x) { return -x; }
  static Grads vjp(const Call& c) { return {-c.grad()}; }
};

struct Abs : Elementwise<1> {
  static constexpr OpInfo info{.name = "abs",
                               .doc = "magnitude; |MIN| = MIN",
                               .types = kNumeric,
                               .onnx = {.op = "Abs", .since = 6}};
  static Expr scalar(Expr x) { return abs(x); }
  static Grads vjp(const Call& c);
};

struct Sign : Elementwise<1> {
  static constexpr OpInfo info{.name = "sign",
                               .doc = "-1, 0 (of x's sign) or 1; NaN stays NaN",
                               .types = kNumeric,
                               .onnx = {.op = "Sign", .since = 9}};
  static constexpr NoGradient vjp{"piecewise constant"};
  static Expr scalar(Expr x) { return sign(x); }
};

#define ETCH_ROUNDING(Type, text, fn, what, onnx_op, opset)                                    \
  struct Type : Elementwise<1> {                                                               \
    static constexpr OpInfo info{                                                              \
        .name = text, .doc = what, .types = kFloats, .onnx = {.op = onnx_op, .since = opset}}; \
    static constexpr NoGradient vjp{"piecewise constant"};                                     \
    static Expr scalar(Expr x) { return fn(x); }                                               \
  };
ETCH_ROUNDING(Floor, "floor", floor, "rounded towards -inf", "Floor", 6)
ETCH_ROUNDING(Ceil, "ceil", ceil, "rounded towards +inf", "Ceil", 6)
ETCH_ROUNDING(Round, "round", rint, "rounded to nearest, ties to even", "Round", 11)
#undef ETCH_ROUNDING

struct Trunc : Elementwise<1> {
  static constexpr OpInfo info{
      .name = "trunc", .doc = "rounded towards zero", .types = kFloats, .onnx = kOwnOnnx(6)};
  static constexpr NoGradient vjp{"piecewise constant"};
  static Expr scalar(Expr x) { return trunc(x); }
  static void to_onnx(OnnxWriter& w);
};

// Comparison.

#define ETCH_COMPARE(Type, text, symbol, onnx_rule)                                         \
  struct Type : Elementwise<2> {                                                            \
    static constexpr ResultType result = ResultType::Bool;                                  \
    static constexpr OpInfo info{                                                           \
        .name = text, .doc = "a " #symbol " b, as bool", .types = kAll, .onnx = onnx_rule}; \
    static constexpr NoGradient vjp{"the result is bool"};                                  \
    static Expr scalar(Expr a, Expr b) { return a symbol b; }                               \
  };
ETCH_COMPARE(Lt, "lt", <, (OnnxRule{.op = "Less", .since = 9}))
ETCH_COMPARE(Gt, "gt", >, (OnnxRule{.op = "Greater", .since = 9}))
ETCH_COMPARE(Le, "le", <=, (OnnxRule{.op = "LessOrEqual", .since = 12}))
ETCH_COMPARE(Ge, "ge", >=, (OnnxRule{.op = "GreaterOrEqual", .since = 12}))
ETCH_COMPARE(Eq, "eq", ==, (OnnxRule{.op = "Equal", .since = 11}))
#undef ETCH_COMPARE

struct Ne : Elementwise<2> {
  static constexpr ResultType result = ResultType::Bool;
  static constexpr OpInfo info{.name = "ne", .doc = "a != b, as bool", .onnx = kOwnOnnx(11)};
  static constexpr NoGradient vjp{"the result is bool"};
  static Expr scalar(Expr a, Expr b) { return a != b; }
  static void to_onnx(OnnxWriter& w);
};

struct IsNan : Elementwise<1> {
  static constexpr ResultType result = ResultType::Bool;
  static constexpr OpInfo info{.name = "isnan",
                               .doc = "true for NaN",
                               .types = kFloats,
                               .onnx = {.op = "IsNaN", .since = 9}};
  static constexpr NoGradient vjp{"the result is bool"};
  static Expr scalar(Expr x) { return x != x; }
};

// Logic and bits.

#define ETCH_LOGIC(Type, text, symbol, onnx_op)                       \
  struct Type : Elementwise<2> {                                      \
    static constexpr OpInfo info{.name = text,                        \
                                 .doc = "a " #symbol " b on bool",    \
                                 .types = kBoolSet,                   \
                                 .onnx = {.op = onnx_op, .since = 7}, \
                                 .commutative = true};                \
    static constexpr NoGradient vjp{"the result is bool"};            \
    static Expr scalar(Expr a, Expr b) { return a symbol b; }         \
  };
ETCH_LOGIC(LogicalAnd, "logical_and", &, "And")
ETCH_LOGIC(LogicalOr, "logical_or", |, "Or")
ETCH_LOGIC(LogicalXor, "logical_xor", ^, "Xor")
#undef ETCH_LOGIC

struct LogicalNot : Elementwise<1> {
  static constexpr OpInfo info{.name = "logical_not",
                               .doc = "not x, on bool",
                               .types = kBoolSet,
                               .onnx = {.op = "Not", .since = 1}};
  static constexpr NoGradient vjp{"the result is bool"};
  static Expr scalar(Expr x) { return !x; }
};

#define ETCH_BITS(Type, text, symbol, commutes, onnx_rule)             \
  struct Type : Elementwise<2> {                                       \
    static constexpr OpInfo info{.name = text,                         \
                                 .doc = "a " #symbol " b on integers", \
                                 .types = kInts,                       \
                                 .onnx = onnx_rule,                    \
                                 .commutative = commutes,              \
                                 .domain = Domain::Small};             \
    static constexpr NoGradient vjp{"the result is an integer"};       \
    static Expr scalar(Expr a, Expr b) { return a symbol b; }          \
  };
ETCH_BITS(BitwiseAnd, "bitwise_and", &, true, (OnnxRule{.op = "BitwiseAnd", .since = 18}))
ETCH_BITS(BitwiseOr, "bitwise_or", |, true, (OnnxRule{.op = "BitwiseOr", .since = 18}))
ETCH_BITS(BitwiseXor, "bitwise_xor", ^, true, (OnnxRule{.op = "BitwiseXor", .since = 18}))
ETCH_BITS(ShiftLeft, "shift_left", <<, false, kNoOnnx("over-wide shifts are undefined in ONNX"))
ETCH_BITS(ShiftRight, "shift_right", >>, false, kNoOnnx("over-wide shifts are undefined in ONNX"))
#undef ETCH_BITS

struct BitwiseNot : Elementwise<1> {
  static constexpr OpInfo info{.name = "bitwise_not",
                               .doc = "all bits of an integer flipped",
                               .types = kInts,
                               .onnx = {.op = "BitwiseNot", .since = 18}};
  static constexpr NoGradient vjp{"the result is an integer"};
  static Expr scalar(Expr x) { return ~x; }
};

/// where(condition, a, b); the condition is bool and keeps its own dtype.
struct Where : Elementwise<3> {
  static constexpr int typed_from = 1;
  static constexpr OpInfo info{.name = "where",
                               .doc = "condition ? a : b",
                               .onnx = {.op = "Where", .since = 9},
                               .operands = "condition a b"};
  static Expr scalar(Expr c, Expr a, Expr b) { return select(c, a, b); }
  static Grads vjp(const Call& c) {
    Var zero = constant_like(c.grad(), 0);
    return {Var(), c.wants(1) ? op<Where>(c.in(0), c.grad(), zero) : Var(),
            c.wants(2) ? op<Where>(c.in(0), zero, c.grad()) : Var()};
  }
};

/// The gradient of max and min goes to the chosen operand, half to each where they are equal.
inline Grads choice_vjp(const Call& c, Var first_wins) {
  Var half = c.grad() * 0.5, zero = constant_like(c.grad(), 0);
  Var tie = op<Eq>(c.in(0), c.in(1));
  Var a = op<Where>(tie, half, op<Where>(first_wins, c.grad(), zero));
  return {a, c.grad() - a};
}
inline Grads Maximum::vjp(const Call& c) { return choice_vjp(c, op<Gt>(c.in(0), c.in(1))); }
inline Grads Minimum::vjp(const Call& c) { return choice_vjp(c, op<Lt>(c.in(0), c.in(1))); }
inline Grads Abs::vjp(const Call& c) { return {c.grad() * op<Sign>(c.in(0))}; }

using ElementwiseOps =
    OpList<Abs, Add, BitwiseAnd, BitwiseNot, BitwiseOr, BitwiseXor, Cast, Ceil, Div, Eq, Floor,
           FloorDivide, Ge, Gt, IsNan, Le, LogicalAnd, LogicalNot, LogicalOr, LogicalXor, Lt,
           Maximum, Minimum, Mul, Ne, Neg, Remainder, Round, ShiftLeft, ShiftRight, Sign, Sub,
           Trunc, TruncDivide, Where>;

}  // namespace etch::ir
