#include <catch2/catch.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ir/math.h"
#include "ir/scalar/eval.h"
#include "runtime/interp/loops.h"
#include "tools/ulp/ulp.cpp"  // no library holds it, and tests link no tool

using namespace etch;
using namespace etch::ir;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

double eval(Prim op, DType t, double a, double b = 0) {
  uint64_t in[] = {eval_cast(DType::F64, t, to_bits(a)), eval_cast(DType::F64, t, to_bits(b)), 0};
  return from_bits<double>(eval_cast(t, DType::F64, eval_prim(op, t, t, in)));
}

/// Same value, same sign of zero, NaN equal to NaN.
bool same(double a, double b) {
  if (a != a || b != b) return a != a && b != b;
  return a == b && std::signbit(a) == std::signbit(b);
}

struct Unary {
  Prim op;
  double x, want;
};
struct Binary {
  Prim op;
  double x, y, want;
};

std::vector<runtime::Isa> isas() {
  std::vector<runtime::Isa> out;
  for (int i = 0; i < runtime::kIsaCount; ++i) {
    if (runtime::isa_supported(static_cast<runtime::Isa>(i)))
      out.push_back(static_cast<runtime::Isa>(i));
  }
  return out;
}

}  // namespace

TEST_CASE("unary functions have the special values of the C standard", "[math]") {
  const Unary table[] = {
      {Prim::Exp, 0, 1},
      {Prim::Exp, -kInf, 0},
      {Prim::Exp, kInf, kInf},
      {Prim::Exp, 1e4, kInf},
      {Prim::Exp, -1e4, 0},
      {Prim::Exp2, -0.0, 1},
      {Prim::Exp2, 3, 8},
      {Prim::Exp2, -10, 0x1p-10},
      {Prim::Exp2, kInf, kInf},
      {Prim::Exp2, -kInf, 0},
      {Prim::Exp2, -149, 0x1p-149},
      {Prim::Exp2, 127, 0x1p127},
      {Prim::Expm1, -0.0, -0.0},
      {Prim::Expm1, 0, 0},
      {Prim::Expm1, -kInf, -1},
      {Prim::Expm1, kInf, kInf},
      {Prim::Log, 1, 0},
      {Prim::Log, 0, -kInf},
      {Prim::Log, -0.0, -kInf},
      {Prim::Log, -1, kNan},
      {Prim::Log, kInf, kInf},
      {Prim::Log, -kInf, kNan},
      {Prim::Log2, 8, 3},
      {Prim::Log2, 0x1p-140, -140},
      {Prim::Log10, 1000, 3},
      {Prim::Log10, 1, 0},
      {Prim::Log10, 0, -kInf},
      {Prim::Log1p, -0.0, -0.0},
      {Prim::Log1p, -1, -kInf},
      {Prim::Log1p, -2, kNan},
      {Prim::Log1p, kInf, kInf},
      {Prim::Sin, -0.0, -0.0},
      {Prim::Sin, kInf, kNan},
      {Prim::Cos, 0, 1},
      {Prim::Cos, -kInf, kNan},
      {Prim::Tan, -0.0, -0.0},
      {Prim::Tan, kInf, kNan},
      {Prim::Asin, -0.0, -0.0},
      {Prim::Asin, 1.5, kNan},
      {Prim::Acos, 1, 0},
      {Prim::Acos, -1.5, kNan},
      {Prim::Acos, kInf, kNan},
      {Prim::Atan, -0.0, -0.0},
      {Prim::Sinh, -0.0, -0.0},
      {Prim::Sinh, -kInf, -kInf},
      {Prim::Cosh, 0, 1},
      {Prim::Cosh, -kInf, kInf},
      {Prim::Tanh, -0.0, -0.0},
      {Prim::Tanh, kInf, 1},
      {Prim::Tanh, -kInf, -1},
      {Prim::Asinh, -0.0, -0.0},
      {Prim::Asinh, -kInf, -kInf},
      {Prim::Acosh, 1, 0},
      {Prim::Acosh, 0.5, kNan},
      {Prim::Acosh, -3, kNan},
      {Prim::Acosh, kInf, kInf},
      {Prim::Atanh, -0.0, -0.0},
      {Prim::Atanh, 1, kInf},
      {Prim::Atanh, -1, -kInf},
      {Prim::Atanh, 1.5, kNan},
      {Prim::Erf, -0.0, -0.0},
      {Prim::Erf, kInf, 1},
      {Prim::Erf, -kInf, -1},
      {Prim::Erfc, 0, 1},
      {Prim::Erfc, kInf, 0},
      {Prim::Erfc, -kInf, 2},
  };
  for (DType t : {DType::F32, DType::F64}) {
    for (const Unary& u : table) {
      CAPTURE(name(u.op), name(t), u.x, u.want, eval(u.op, t, u.x));
      CHECK(same(eval(u.op, t, u.x), u.want));
    }
    for (Prim op : tools::ulp_functions()) {
      CAPTURE(name(op), name(t));
      if (arity(op) == 1) CHECK(std::isnan(eval(op, t, kNan)));
    }
  }
}

TEST_CASE("pow and atan2 have the special values of the C standard", "[math]") {
  const Binary table[] = {
      {Prim::Pow, 1, kNan, 1},        {Prim::Pow, kNan, 0, 1},       {Prim::Pow, kNan, -0.0, 1},
      {Prim::Pow, 0, -3, kInf},       {Prim::Pow, -0.0, -3, -kInf},  {Prim::Pow, -0.0, -2, kInf},
      {Prim::Pow, -0.0, 3, -0.0},     {Prim::Pow, -0.0, 2.5, 0},     {Prim::Pow, -0.0, kInf, 0},
      {Prim::Pow, -1, kInf, 1},       {Prim::Pow, -1, -kInf, 1},     {Prim::Pow, -2, 0.5, kNan},
      {Prim::Pow, 0.5, kInf, 0},      {Prim::Pow, 0.5, -kInf, kInf}, {Prim::Pow, 2, kInf, kInf},
      {Prim::Pow, 2, -kInf, 0},       {Prim::Pow, -kInf, 3, -kInf},  {Prim::Pow, -kInf, 2, kInf},
      {Prim::Pow, -kInf, -3, -0.0},   {Prim::Pow, -kInf, -2.5, 0},   {Prim::Pow, kInf, -1, 0},
      {Prim::Pow, kInf, 0.5, kInf},   {Prim::Pow, -2, 3, -8},        {Prim::Pow, -2, 1e30, kInf},
      {Prim::Pow, 2, -149, 0x1p-149}, {Prim::Pow, 10, 2, 100},       {Prim::Pow, kNan, 1, kNan},
      {Prim::Pow, 2, kNan, kNan},     {Prim::Pow, 3, 1, 3},          {Prim::Pow, -3, 0, 1},
      {Prim::Atan2, 0, 1, 0},         {Prim::Atan2, -0.0, 1, -0.0},  {Prim::Atan2, 0, 0, 0},
      {Prim::Atan2, -0.0, 0, -0.0},   {Prim::Atan2, 1, kInf, 0},     {Prim::Atan2, -1, kInf, -0.0},
      {Prim::Atan2, kNan, 1, kNan},   {Prim::Atan2, 1, kNan, kNan},
  };
  for (DType t : {DType::F32, DType::F64}) {
    for (const Binary& b : table) {
      CAPTURE(name(b.op), name(t), b.x, b.y, b.want, eval(b.op, t, b.x, b.y));
      CHECK(same(eval(b.op, t, b.x, b.y), b.want));
    }
  }
  const double pi = 0x1.921fb54442d18p+1;
  const double edges[][3] = {{0, -1, pi},
                             {-0.0, -1, -pi},
                             {0, -0.0, pi},
                             {1, 0, pi / 2},
                             {-1, -0.0, -pi / 2},
                             {kInf, kInf, pi / 4},
                             {kInf, -kInf, 3 * pi / 4},
                             {-kInf, 5, -pi / 2},
                             {3, -kInf, pi}};
  for (auto& e : edges) {
    CAPTURE(e[0], e[1]);
    CHECK(eval(Prim::Atan2, DType::F64, e[0], e[1]) == Approx(e[2]).epsilon(4e-16));
    CHECK(eval(Prim::Atan2, DType::F32, e[0], e[1]) == Approx(e[2]).epsilon(2e-7));
  }
}

TEST_CASE("f32 functions stay within their published errors", "[math]") {
  for (Prim op : tools::ulp_functions()) {
    if (arity(op) != 1) continue;
    tools::UlpResult r = tools::sweep_f32(op, 5, 65537, runtime::best_isa());
    CAPTURE(tools::to_row(op, DType::F32, r));
    CHECK(r.wrong == 0);
    CHECK(r.max_ulp < 1.5);
  }
  for (Prim op : {Prim::Pow, Prim::Atan2}) {
    tools::UlpResult r = tools::sample(op, DType::F32, 4000, 11, runtime::best_isa());
    CAPTURE(tools::to_row(op, DType::F32, r));
    CHECK(r.wrong == 0);
    CHECK(r.max_ulp < (op == Prim::Pow ? 0.51 : 1.6));
  }
}

TEST_CASE("f64 functions stay within their published errors", "[math]") {
  for (Prim op : tools::ulp_functions()) {
    tools::UlpResult r = tools::sample(op, DType::F64, 1500, 23, runtime::best_isa());
    CAPTURE(tools::to_row(op, DType::F64, r));
    CHECK(r.wrong == 0);
    CHECK(r.max_ulp < (op == Prim::Erfc ? 3.0 : 1.7));
  }
}

TEST_CASE("sine and cosine are right for arguments of any size", "[math]") {
  // References: 400-bit arithmetic.
  CHECK(eval(Prim::Sin, DType::F64, 1e22) == Approx(-0.8522008497671888).epsilon(1e-15));
  CHECK(eval(Prim::Cos, DType::F64, 1e22) == Approx(0.5232147853951389).epsilon(1e-15));
  CHECK(eval(Prim::Sin, DType::F64, 0x1.fffffffffffffp+1023) ==
        Approx(0.004961954789184062).epsilon(1e-15));
  CHECK(eval(Prim::Cos, DType::F64, 0x1.fffffffffffffp+1023) ==
        Approx(-0.9999876894265599).epsilon(1e-15));
  // The f64 nearest to a multiple of pi/2.
  CHECK(eval(Prim::Cos, DType::F64, 6381956970095103.0 * 0x1p797) ==
        Approx(-4.687165924254624e-19).epsilon(1e-15));
  CHECK(eval(Prim::Sin, DType::F32, 0x1.fffffep+127) == Approx(-0.5218765).epsilon(1e-6));
}

TEST_CASE("every instruction set and the expanded graph give the same bits", "[math]") {
  uint64_t state = 5;
  auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state ^ state >> 29;
  };
  for (DType t : {DType::F32, DType::F64}) {
    size_t size = itemsize(t);
    for (Prim op : tools::ulp_functions()) {
      constexpr size_t kCount = 1537;
      std::vector<uint64_t> a(kCount), b(kCount);
      for (size_t i = 0; i < kCount; ++i) {
        // Half of the points are patterns, half have moderate exponents.
        a[i] = canonical_value(t, next()), b[i] = canonical_value(t, next());
        if (i % 2 == 0) {
          double v = static_cast<double>(static_cast<int64_t>(next()) >> 11) * 0x1p-48;
          a[i] = eval_cast(DType::F64, t, to_bits(v));
          b[i] = eval_cast(DType::F64, t, to_bits(v * 0.37 + 1));
        }
      }
      auto pack = [&](const std::vector<uint64_t>& v) {
        std::vector<uint8_t> out(v.size() * size);
        for (size_t i = 0; i < v.size(); ++i) std::memcpy(&out[i * size], &v[i], size);
        return out;
      };
      std::vector<uint8_t> pa = pack(a), pb = pack(b), out(kCount * size);
      ExprGraph g, primitives;
      Expr x = g.arg(t, 0), y = g.arg(t, 1);
      Expr root = arity(op) == 1 ? make_expr(op, x) : make_expr(op, x, y);
      std::vector<uint32_t> expanded = expand(primitives, g, std::vector<uint32_t>{root.id});
      std::vector<uint64_t> want(kCount);
      for (size_t i = 0; i < kCount; ++i) {
        uint64_t args[] = {a[i], b[i]};
        want[i] = canonical_value(t, eval_graph(primitives, expanded, args)[0]);
        REQUIRE(want[i] == canonical_value(t, eval_prim(op, t, t, args)));
      }
      for (runtime::Isa isa : isas()) {
        runtime::LoopFn loop = runtime::find_loop(op, t, t, 0, isa);
        REQUIRE(loop != nullptr);
        loop({static_cast<int64_t>(kCount), out.data(), {pa.data(), pb.data(), nullptr}});
        for (size_t i = 0; i < kCount; ++i) {
          uint64_t got = 0;
          std::memcpy(&got, &out[i * size], size);
          CAPTURE(name(op), name(t), static_cast<int>(isa), i, a[i], b[i]);
          REQUIRE(canonical_value(t, got) == want[i]);
        }
      }
    }
  }
}

TEST_CASE("Philox gives the published vectors", "[math]") {
  // Random123's known answers for philox4x32-10: counter and key all zero, all ones, and digits of
  // pi.
  struct Vector {
    uint64_t lo, hi, key;
    uint32_t words[4];
  };
  const Vector table[] = {
      {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x85a308d3243f6a88,
       0x0370734413198a2e,
       0x299f31d0a4093822,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Vector& v : table) {
    auto c =
        math::philox_block(Native<uint64_t>{v.key}, Native<uint64_t>{v.hi}, Native<uint64_t>{v.lo});
    CHECK(c.w0.v == v.words[0]);
    CHECK(c.w1.v == v.words[1]);
    CHECK(c.w2.v == v.words[2]);
    CHECK(c.w3.v == v.words[3]);
  }
  uint64_t in[] = {0, 0, 2};
  CHECK(eval_prim(Prim::Philox, DType::U64, DType::U32, in) == 0xbc57ac4c);
  in[2] = 1;
  CHECK(eval_prim(Prim::Philox64, DType::U64, DType::U64, in) == 0x9b00dbd8bc57ac4c);
}
