// Mathematical functions of one or two numbers. ir/math.h computes them.
#pragma once

#include "ir/ops/elementwise.h"

namespace etch::ir {

inline Expr reciprocal(Expr x) { return 1.0 / x; }
Var cosine(const Var& x);
Var hyperbolic_cosine(const Var& x);

// Type, name, doc, ONNX operator, first opset, domain, gradient in terms of x, y = f(x) and g.
#define ETCH_MATH(Type, text, fn, what, onnx_rule, where, gradient)                       \
  struct Type : Elementwise<1> {                                                          \
    static constexpr OpInfo info{                                                         \
        .name = text, .doc = what, .types = kFloats, .onnx = onnx_rule, .domain = where}; \
    static Expr scalar(Expr x) { return fn(x); }                                          \
    static Grads vjp(const Call& c) {                                                     \
      [[maybe_unused]] Var x = c.in(0), y = c.out(), g = c.grad();                        \
      return {gradient};                                                                  \
    }                                                                                     \
  };
#define ETCH_ONNX(name, opset) (OnnxRule{.op = name, .since = opset})

ETCH_MATH(Exp, "exp", exp, "e^x", ETCH_ONNX("Exp", 6), Domain::Small, g* y)
ETCH_MATH(Exp2, "exp2", exp2, "2^x", kNoOnnx("ONNX has no Exp2"), Domain::Small,
          g* y * 0.69314718055994530942)
ETCH_MATH(Expm1, "expm1", expm1, "e^x - 1 without cancellation", kNoOnnx("ONNX has no Expm1"),
          Domain::Small, g*(y + 1.0))
ETCH_MATH(Log, "log", log, "natural logarithm", ETCH_ONNX("Log", 6), Domain::Positive, g / x)
ETCH_MATH(Log2, "log2", log2, "base-2 logarithm", kNoOnnx("ONNX has no Log2"), Domain::Positive,
          g / (x * 0.69314718055994530942))
ETCH_MATH(Log10, "log10", log10, "base-10 logarithm", kNoOnnx("ONNX has no Log10"),
          Domain::Positive, g / (x * 2.30258509299404568402))
ETCH_MATH(Log1p, "log1p", log1p, "log(1 + x) without cancellation", kNoOnnx("ONNX has no Log1p"),
          Domain::Positive, g / (x + 1.0))
ETCH_MATH(Sqrt, "sqrt", sqrt, "square root, correctly rounded", ETCH_ONNX("Sqrt", 6),
          Domain::Positive, g / (y * 2.0))
ETCH_MATH(Reciprocal, "reciprocal", reciprocal, "1 / x", ETCH_ONNX("Reciprocal", 6),
          Domain::NonZero, -(g* y* y))
ETCH_MATH(Sin, "sin", sin, "sine", ETCH_ONNX("Sin", 7), Domain::Any, g* cosine(x))
ETCH_MATH(Cos, "cos", cos, "cosine", ETCH_ONNX("Cos", 7), Domain::Any, -(g* op<Sin>(x)))
ETCH_MATH(Tan, "tan", tan, "tangent", ETCH_ONNX("Tan", 7), Domain::Unit, g*(y* y + 1.0))
ETCH_MATH(Asin, "asin", asin, "inverse sine", ETCH_ONNX("Asin", 7), Domain::Unit,
          g / op<Sqrt>(1.0 - x * x))
ETCH_MATH(Acos, "acos", acos, "inverse cosine", ETCH_ONNX("Acos", 7), Domain::Unit,
          -(g / op<Sqrt>(1.0 - x * x)))
ETCH_MATH(Atan, "atan", atan, "inverse tangent", ETCH_ONNX("Atan", 7), Domain::Any,
          g / (x * x + 1.0))
ETCH_MATH(Sinh, "sinh", sinh, "hyperbolic sine", ETCH_ONNX("Sinh", 9), Domain::Small,
          g* hyperbolic_cosine(x))
ETCH_MATH(Cosh, "cosh", cosh, "hyperbolic cosine", ETCH_ONNX("Cosh", 9), Domain::Small,
          g* op<Sinh>(x))
ETCH_MATH(Tanh, "tanh", tanh, "hyperbolic tangent", ETCH_ONNX("Tanh", 6), Domain::Any,
          g * (1.0 - y * y))
ETCH_MATH(Asinh, "asinh", asinh, "inverse hyperbolic sine", ETCH_ONNX("Asinh", 9), Domain::Any,
          g / op<Sqrt>(x * x + 1.0))
ETCH_MATH(Acosh, "acosh", acosh, "inverse hyperbolic cosine", ETCH_ONNX("Acosh", 9),
          Domain::AtLeastOne, g / op<Sqrt>(x * x - 1.0))
ETCH_MATH(Atanh, "atanh", atanh, "inverse hyperbolic tangent", ETCH_ONNX("Atanh", 9), Domain::Unit,
          g / (1.0 - x * x))
ETCH_MATH(Erf, "erf", erf, "error function", ETCH_ONNX("Erf", 9), Domain::Any,
          g* op<Exp>(-(x* x)) * 1.12837916709551257390)
ETCH_MATH(Erfc, "erfc", erfc, "1 - erf(x) without cancellation", kNoOnnx("ONNX has no Erfc"),
          Domain::Any, g* op<Exp>(-(x* x)) * -1.12837916709551257390)
#undef ETCH_MATH
#undef ETCH_ONNX

inline Var cosine(const Var& x) { return op<Cos>(x); }
inline Var hyperbolic_cosine(const Var& x) { return op<Cosh>(x); }

/// x * x.
struct Square : Composite<1> {
  static constexpr OpInfo info{
      .name = "square", .doc = "x * x", .types = kNumeric, .onnx = kViaBody};
  static Vars body(const Call& c) { return {c.in(0) * c.in(0)}; }
  static Grads vjp(const Call& c) { return {c.grad() * (c.in(0) * 2.0)}; }
};

/// 1 / sqrt(x).
struct Rsqrt : Composite<1> {
  static constexpr OpInfo info{.name = "rsqrt",
                               .doc = "1 / sqrt(x)",
                               .types = kFloats,
                               .onnx = kViaBody,
                               .domain = Domain::Positive};
  static Vars body(const Call& c) { return {1.0 / op<Sqrt>(c.in(0))}; }
  static Grads vjp(const Call& c) { return {c.grad() * (c.out() / c.in(0)) * -0.5}; }
};

struct Pow : Elementwise<2> {
  static constexpr OpInfo info{.name = "pow",
                               .doc = "a^b with the special cases of C99",
                               .types = kFloats,
                               .onnx = {.op = "Pow", .since = 7},
                               .domain = Domain::Positive};
  static Expr scalar(Expr a, Expr b) { return pow(a, b); }
  static Grads vjp(const Call& c) {
    Var a = c.in(0), b = c.in(1), g = c.grad(), zero = constant_like(g, 0);
    Var da, db;
    // At b = 0 the slope is 0 even where a^-1 is infinite; at a = 0 likewise for b >= 0.
    if (c.wants(0)) {
      da = op<Where>(op<Eq>(b, constant_like(b, 0)), zero, g * b * op<Pow>(a, b - 1.0));
    }
    if (c.wants(1)) {
      Var edge = op<LogicalAnd>(op<Eq>(a, constant_like(a, 0)), op<Ge>(b, constant_like(b, 0)));
      db = op<Where>(edge, zero, g * c.out() * op<Log>(a));
    }
    return {da, db};
  }
};

struct Atan2 : Elementwise<2> {
  static constexpr OpInfo info{.name = "atan2",
                               .doc = "the angle of the point (b, a)",
                               .types = kFloats,
                               .onnx = kNoOnnx("ONNX has no Atan2"),
                               .domain = Domain::NonZero};
  static Expr scalar(Expr a, Expr b) { return atan2(a, b); }
  static Grads vjp(const Call& c) {
    Var a = c.in(0), b = c.in(1), g = c.grad() / (a * a + b * b);
    return {g * b, -(g * a)};
  }
};

using MathOps =
    OpList<Acos, Acosh, Asin, Asinh, Atan, Atan2, Atanh, Cos, Cosh, Erf, Erfc, Exp, Exp2, Expm1,
           Log, Log10, Log1p, Log2, Pow, Reciprocal, Rsqrt, Sin, Sinh, Sqrt, Square, Tan, Tanh>;

}  // namespace etch::ir
