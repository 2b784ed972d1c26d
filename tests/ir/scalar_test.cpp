#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "ir/math.h"
#include "ir/scalar/eval.h"
#include "ir/scalar/expr.h"
#include "ir/scalar/helpers.h"
#include "ir/scalar/native.h"
#include "ir/support/error.h"

using namespace etch;
using namespace etch::ir;

namespace {

constexpr DType kTypes[] = {DType::Bool, DType::U8,  DType::I8,  DType::U16, DType::I16, DType::U32,
                            DType::I32,  DType::U64, DType::I64, DType::F32, DType::F64};

uint64_t f32(float v) { return to_bits(v); }
uint64_t f64(double v) { return to_bits(v); }

uint64_t run2(Prim op, DType t, uint64_t a, uint64_t b) {
  uint64_t in[] = {a, b, 0};
  return eval_prim(op, t, result_dtype(op, t, t), in);
}
template <class T>
T run(Prim op, T a, T b = T{}) {
  return from_bits<T>(run2(op, dtype_of<T>, to_bits(a), to_bits(b)));
}

template <Scalar S>
S logistic(S x) {
  return 1 / (1 + exp(-x));
}

}  // namespace

TEST_CASE("integer division and remainder follow the table at every edge", "[scalar]") {
  CHECK(run<int32_t>(Prim::Div, 7, -2) == -3);
  CHECK(run<int32_t>(Prim::Rem, -7, 2) == -1);
  CHECK(run<int32_t>(Prim::Div, 5, 0) == 0);
  CHECK(run<int32_t>(Prim::Rem, 5, 0) == 5);
  CHECK(run<int32_t>(Prim::Div, INT32_MIN, -1) == INT32_MIN);
  CHECK(run<int32_t>(Prim::Rem, INT32_MIN, -1) == 0);
  CHECK(run<int64_t>(Prim::Div, INT64_MIN, -1) == INT64_MIN);
  CHECK(run<int64_t>(Prim::Rem, INT64_MIN, -1) == 0);
  CHECK(run<int8_t>(Prim::Div, int8_t{-128}, int8_t{-1}) == -128);
  CHECK(run<uint64_t>(Prim::Div, UINT64_MAX, 3) == UINT64_MAX / 3);
  CHECK(run<uint8_t>(Prim::Rem, uint8_t{200}, uint8_t{0}) == 200);
}

TEST_CASE("integers wrap, and over-wide or negative shifts give zero or the sign", "[scalar]") {
  CHECK(run<int8_t>(Prim::Add, int8_t{127}, int8_t{1}) == -128);
  CHECK(run<uint16_t>(Prim::Mul, uint16_t{65535}, uint16_t{65535}) == 1);
  CHECK(run<int64_t>(Prim::Neg, INT64_MIN) == INT64_MIN);
  CHECK(run<int16_t>(Prim::Abs, int16_t{-32768}) == -32768);
  CHECK(run<uint32_t>(Prim::Shl, 1u, 31u) == 0x80000000u);
  CHECK(run<uint32_t>(Prim::Shl, 1u, 32u) == 0);
  CHECK(run<int32_t>(Prim::Shl, 1, -1) == 0);
  CHECK(run<int32_t>(Prim::Shr, -8, 1) == -4);
  CHECK(run<int32_t>(Prim::Shr, -8, 32) == -1);
  CHECK(run<int32_t>(Prim::Shr, 8, 77) == 0);
  CHECK(run<uint8_t>(Prim::Shr, uint8_t{128}, uint8_t{8}) == 0);
}

TEST_CASE("min and max propagate NaN and order the zeros", "[scalar]") {
  float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(run<float>(Prim::Min, nan, 1.0f)));
  CHECK(std::isnan(run<float>(Prim::Max, 1.0f, nan)));
  CHECK(run2(Prim::Min, DType::F32, f32(0.0f), f32(-0.0f)) == f32(-0.0f));
  CHECK(run2(Prim::Max, DType::F32, f32(-0.0f), f32(0.0f)) == f32(0.0f));
  CHECK(run<double>(Prim::Max, -1.0, -2.0) == -1.0);
}

TEST_CASE("comparisons with NaN are false, except not-equal", "[scalar]") {
  uint64_t nan = f64(std::nan(""));
  CHECK(run2(Prim::Eq, DType::F64, nan, nan) == 0);
  CHECK(run2(Prim::Lt, DType::F64, nan, f64(1)) == 0);
  CHECK(run2(Prim::Le, DType::F64, f64(1), nan) == 0);
  CHECK(run2(Prim::Ne, DType::F64, nan, nan) == 1);
  CHECK(run2(Prim::Eq, DType::F64, f64(0.0), f64(-0.0)) == 1);
}

TEST_CASE("float to integer saturates and maps NaN to zero", "[scalar]") {
  auto to = [](double v, DType t) { return eval_cast(DType::F64, t, f64(v)); };
  CHECK(to(std::nan(""), DType::I32) == 0);
  CHECK(to(1e20, DType::I32) == 0x7fffffffu);
  CHECK(to(-1e20, DType::I32) == 0x80000000u);
  CHECK(to(-3.9, DType::I8) == 0xfd);
  CHECK(to(-3.9, DType::U8) == 0);
  CHECK(to(300, DType::U8) == 255);
  CHECK(to(INFINITY, DType::U64) == UINT64_MAX);
  CHECK(to(0x1p63, DType::I64) == static_cast<uint64_t>(INT64_MAX));
  CHECK(to(0.25, DType::Bool) == 1);
  CHECK(eval_cast(DType::I64, DType::F32, 16777217) == f32(16777216.0f));
  CHECK(eval_cast(DType::I16, DType::U32, 0xffff) == 0xffffffffu);
}

TEST_CASE("equal expressions are one node, and operands keep their places", "[scalar]") {
  ExprGraph g;
  Expr x = g.arg(DType::F32, 0), y = g.arg(DType::F32, 1);
  CHECK((x + y).id == (x + y).id);
  CHECK((x + y).id != (y + x).id);
  CHECK((x < y).dtype() == DType::Bool);
  CHECK((x > y).id == (y < x).id);
  CHECK((1 - x).node().in[0] == g.lit(DType::F32, 1).id);
  CHECK(g.lit(DType::F32, -0.0).id != g.lit(DType::F32, 0.0).id);
  CHECK(g.lit_bits(DType::F32, 0xffc00001u).id == g.lit(DType::F32, std::nan("")).id);
  CHECK(g.lit(DType::I8, 3).node().bits == 3);
  CHECK(g.lit_int(DType::U8, -1).node().bits == 255);
}

TEST_CASE("an ill-typed expression is an internal error", "[scalar]") {
  ExprGraph g, other;
  Expr x = g.arg(DType::F32, 0), i = g.arg(DType::I32, 1);
  CHECK_THROWS_AS(x + i, InternalError);
  CHECK_THROWS_AS(sqrt(i), InternalError);
  CHECK_THROWS_AS(x & x, InternalError);
  CHECK_THROWS_AS(select(x, x, x), InternalError);
  CHECK_THROWS_AS(select(x < x, x, i), InternalError);
  CHECK_THROWS_AS(bitcast(x, DType::I64), InternalError);
  CHECK_THROWS_AS(x + other.arg(DType::F32, 0), InternalError);
}

TEST_CASE("an operator's scalar gives the same bits symbolically and natively", "[scalar]") {
  ExprGraph g, primitives;
  uint32_t root = logistic(g.arg(DType::F32, 0)).id;
  std::vector<uint32_t> expanded = expand(primitives, g, std::vector<uint32_t>{root});
  for (const ExprNode& n : primitives.nodes()) CHECK_FALSE(is_func(n.op));
  for (float v : {0.0f, 1.5f, -3.25f, 88.0f, -200.0f, 1e-30f}) {
    uint64_t arg = f32(v);
    uint64_t native = f32(logistic(Native<float>{v}).v);
    CHECK(eval_graph(g, std::vector<uint32_t>{root}, {&arg, 1})[0] == native);
    CHECK(eval_graph(primitives, expanded, {&arg, 1})[0] == native);
  }
}

TEST_CASE("folding evaluates constant parts only", "[scalar]") {
  ExprGraph g, folded;
  Expr x = g.arg(DType::F64, 0);
  Expr y = x * (sqrt(lit_like(x, 2)) + 1) + g.load(DType::F64, 3);
  std::vector<uint32_t> out = fold(folded, g, std::vector<uint32_t>{y.id});
  CHECK(folded.size() == 5);
  const ExprNode& mul = folded.node(folded.node(out[0]).in[0]);
  CHECK(folded.node(mul.in[1]).bits == f64(std::sqrt(2.0) + 1));
}

TEST_CASE("compacting numbers nodes by structure alone", "[scalar]") {
  ExprGraph a, b, ca, cb;
  Expr xa = a.arg(DType::F32, 0), ya = a.arg(DType::F32, 1);
  Expr ra = xa * ya + exp(xa);
  Expr yb = b.arg(DType::F32, 1), unused = -yb, eb = exp(b.arg(DType::F32, 0));
  Expr rb = b.arg(DType::F32, 0) * yb + eb;
  static_cast<void>(unused);
  compact(ca, a, std::vector<uint32_t>{ra.id});
  compact(cb, b, std::vector<uint32_t>{rb.id});
  CHECK(ca.nodes() == cb.nodes());
  CHECK(to_text(ca) ==
        "%0 = arg f32 #0\n%1 = arg f32 #1\n%2 = mul f32 %0 %1\n%3 = exp f32 %0\n%4 = add f32 %2 "
        "%3\n");
}

TEST_CASE("floored division and remainder agree with their definitions on integers", "[scalar]") {
  for (int a = -9; a <= 9; ++a) {
    for (int b = -4; b <= 4; ++b) {
      Native<int32_t> x{a}, y{b};
      int q = b == 0 ? 0 : static_cast<int>(std::floor(static_cast<double>(a) / b));
      CHECK(floor_div(x, y).v == q);
      CHECK(remainder(x, y).v == (b == 0 ? a : a - q * b));
    }
  }
  CHECK(remainder(Native<int64_t>{INT64_MIN}, Native<int64_t>{-1}).v == 0);
  CHECK(remainder(Native<uint8_t>{200}, Native<uint8_t>{7}).v == 200 % 7);
}

TEST_CASE("float remainders are exact while the quotient fits the mantissa", "[scalar]") {
  uint64_t state = 7;
  auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<int64_t>(state) >> 40) * 0x1p-12f;
  };
  for (int i = 0; i < 20000; ++i) {
    float a = next(), b = next();
    if (b == 0 || std::fabs(a / b) >= 0x1p23f) continue;
    float trunc = std::fmod(a, b);
    float floored = trunc != 0 && (trunc < 0) != (b < 0)
                        ? trunc + b
                        : std::copysign(trunc, trunc == 0 ? b : trunc);
    CAPTURE(a, b);
    CHECK(rem(Native<float>{a}, Native<float>{b}).v == trunc);
    CHECK(ir::remainder(Native<float>{a}, Native<float>{b}).v == floored);
    CHECK(floor_div(Native<float>{a}, Native<float>{b}).v ==
          std::floor(static_cast<double>(a) / b));
  }
  Native<float> inf{INFINITY}, two{2};
  CHECK(rem(two, inf).v == 2);
  CHECK(ir::remainder(Native<float>{-2}, inf).v == INFINITY);
  CHECK(std::isnan(rem(inf, two).v));
  CHECK(std::isnan(rem(two, Native<float>{0}).v));
}

TEST_CASE("every row of the primitive table has a name that reads back", "[scalar]") {
  for (int i = 0; i < kPrimCount; ++i) {
    Prim p = static_cast<Prim>(i);
    CHECK(prim_from_name(name(p)) == p);
    CHECK(arity(p) <= 3);
  }
  CHECK_FALSE(prim_from_name("nonsense").has_value());
}

namespace {

/// Native against the evaluator, for all primitives on interesting and random values of T.
template <class T>
void check_native() {
  using NT = Native<T>;
  std::vector<T> values;
  uint64_t state = 99;
  for (int i = 0; i < 40; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    values.push_back(from_bits<T>(state >> 7));
  }
  if constexpr (std::is_floating_point_v<T>) {
    using L = std::numeric_limits<T>;
    for (T v : {T(0), T(1), T(0.5), T(2.5), L::min(), L::denorm_min(), L::max(), L::infinity(),
                L::quiet_NaN()}) {
      values.push_back(v);
      values.push_back(-v);
    }
  } else {
    for (int v = -3; v < 4; ++v) values.push_back(static_cast<T>(v));
    for (int v : {7, 8, 15, 16, 31, 32, 63, 64}) values.push_back(static_cast<T>(v));
    values.push_back(std::numeric_limits<T>::min());
    values.push_back(std::numeric_limits<T>::max());
  }
  DType t = dtype_of<T>;
  auto same = [&](Prim op, uint64_t got, T a, T b, T c = T{}) {
    uint64_t in[] = {to_bits(a), to_bits(b), to_bits(c)};
    DType r = result_dtype(op, t, t);
    CAPTURE(name(op), name(t), +a, +b, +c);
    REQUIRE(canonical_value(r, got) == canonical_value(r, eval_prim(op, t, r, in)));
  };
  for (T a : values) {
    for (T b : values) {
      NT x{a}, y{b};
      same(Prim::Add, to_bits((x + y).v), a, b);
      same(Prim::Sub, to_bits((x - y).v), a, b);
      same(Prim::Mul, to_bits((x * y).v), a, b);
      same(Prim::Div, to_bits((x / y).v), a, b);
      same(Prim::Min, to_bits(min(x, y).v), a, b);
      same(Prim::Max, to_bits(max(x, y).v), a, b);
      same(Prim::Eq, (x == y).v, a, b);
      same(Prim::Ne, (x != y).v, a, b);
      same(Prim::Lt, (x < y).v, a, b);
      same(Prim::Le, (x <= y).v, a, b);
      if constexpr (std::is_floating_point_v<T>) {
        same(Prim::Copysign, to_bits(copysign(x, y).v), a, b);
        for (T c : values) same(Prim::Fma, to_bits(fma(x, y, NT{c}).v), a, b, c);
      } else {
        same(Prim::Rem, to_bits(int_rem(x, y).v), a, b);
        same(Prim::And, to_bits((x & y).v), a, b);
        same(Prim::Or, to_bits((x | y).v), a, b);
        same(Prim::Xor, to_bits((x ^ y).v), a, b);
        same(Prim::Shl, to_bits((x << y).v), a, b);
        same(Prim::Shr, to_bits((x >> y).v), a, b);
      }
    }
    NT x{a};
    same(Prim::Neg, to_bits((-x).v), a, a);
    same(Prim::Abs, to_bits(abs(x).v), a, a);
    if constexpr (std::is_floating_point_v<T>) {
      same(Prim::Sqrt, to_bits(sqrt(x).v), a, a);
      same(Prim::Floor, to_bits(floor(x).v), a, a);
      same(Prim::Ceil, to_bits(ceil(x).v), a, a);
      same(Prim::Trunc, to_bits(trunc(x).v), a, a);
      same(Prim::Rint, to_bits(rint(x).v), a, a);
    } else {
      same(Prim::Not, to_bits((~x).v), a, a);
    }
    auto casts = [&](auto zero) {
      using U = decltype(zero);
      DType u = dtype_of<U>;
      CAPTURE(name(t), name(u), +a);
      REQUIRE(canonical_value(u, to_bits(cast<U>(x).v)) ==
              canonical_value(u, eval_cast(t, u, to_bits(a))));
    };
    casts(bool{}), casts(uint8_t{}), casts(int8_t{}), casts(uint16_t{}), casts(int16_t{});
    casts(uint32_t{}), casts(int32_t{}), casts(uint64_t{}), casts(int64_t{}), casts(float{}),
        casts(double{});
  }
}

}  // namespace

TEST_CASE("native scalars agree with the evaluator on every primitive", "[scalar]") {
  check_native<uint8_t>();
  check_native<int8_t>();
  check_native<uint16_t>();
  check_native<int16_t>();
  check_native<uint32_t>();
  check_native<int32_t>();
  check_native<uint64_t>();
  check_native<int64_t>();
  check_native<float>();
  check_native<double>();
}

TEST_CASE("every type converts to every type", "[scalar]") {
  for (DType from : kTypes) {
    for (DType to : kTypes)
      CHECK(eval_cast(from, to, eval_cast(DType::I32, from, 1)) == eval_cast(DType::I32, to, 1));
  }
}
