// Every elementwise operator against the C library's functions and wide integers, element by
// element.
#include <catch2/catch.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <map>

#include "etch/autograd.h"
#include "ir/ops/all.h"
#include "ir/registry.h"
#include "runtime/eager.h"
#include "tests/support/op_call.h"

using namespace etch;
using namespace etch::test;

namespace {

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UnsignedWide;

double real_at(const Dense& d, int64_t i) {
  uint64_t bits = d.at(i);
  if (d.dtype == DType::F64) return std::bit_cast<double>(bits);
  return std::bit_cast<float>(static_cast<uint32_t>(bits));
}

/// The value that the low bits of `v` are as a t.
Wide wrap(Wide v, DType t) {
  if (is_bool(t)) return v != 0 ? 1 : 0;
  UnsignedWide low = static_cast<UnsignedWide>(v) & ((UnsignedWide{1} << bits(t)) - 1);
  bool negative = is_signed_int(t) && ((low >> (bits(t) - 1)) & 1) != 0;
  return static_cast<Wide>(low) - (negative ? Wide{1} << bits(t) : 0);
}
Wide int_at(const Dense& d, int64_t i) { return wrap(static_cast<Wide>(d.at(i)), d.dtype); }

/// The element of `x` that broadcasting puts at the row-major position `at` of `sizes`.
int64_t broadcast_offset(const Dense& x, const Sizes& sizes, int64_t at) {
  int64_t offset = 0, scale = 1;
  size_t extra = sizes.size() - x.sizes.size();
  for (size_t d = sizes.size(); d-- > 0; at /= sizes[d]) {
    if (d < extra) continue;
    int64_t size = x.sizes[d - extra];
    if (size != 1) offset += at % sizes[d] * scale;
    scale *= size;
  }
  return offset;
}

// Real numbers.

struct RealCall {
  const double* x;
  const void* attrs;
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
};
using RealRule = double (*)(const RealCall&);

double larger(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::nan("");
  if (a == b) return std::signbit(a) ? b : a;
  return a < b ? b : a;
}
double smaller(double a, double b) { return -larger(-a, -b); }
double modulo(double a, double b) {
  double r = std::fmod(a, b);
  if (r == 0) return std::copysign(0.0, b);
  return (r < 0) != (b < 0) ? r + b : r;
}

#define RULE(expression)                                        \
  [](const RealCall& c) -> double {                             \
    [[maybe_unused]] double a = c.x[0], b = c.x[1], d = c.x[2]; \
    return expression;                                          \
  }

const std::map<std::string_view, RealRule>& real_rules() {
  static const std::map<std::string_view, RealRule> table = {
      {"abs", RULE(std::fabs(a))},
      {"acos", RULE(std::acos(a))},
      {"acosh", RULE(std::acosh(a))},
      {"add", RULE(a + b)},
      {"asin", RULE(std::asin(a))},
      {"asinh", RULE(std::asinh(a))},
      {"atan", RULE(std::atan(a))},
      {"atan2", RULE(std::atan2(a, b))},
      {"atanh", RULE(std::atanh(a))},
      {"ceil", RULE(std::ceil(a))},
      {"clamp",
       RULE(smaller(larger(a, c.as<ir::Clamp::Attrs>().low), c.as<ir::Clamp::Attrs>().high))},
      {"cos", RULE(std::cos(a))},
      {"cosh", RULE(std::cosh(a))},
      {"div", RULE(a / b)},
      {"elu", RULE(a < 0 ? c.as<ir::Elu::Attrs>().alpha * std::expm1(a) : a)},
      {"eq", RULE(a == b)},
      {"erf", RULE(std::erf(a))},
      {"erfc", RULE(std::erfc(a))},
      {"exp", RULE(std::exp(a))},
      {"exp2", RULE(std::exp2(a))},
      {"expm1", RULE(std::expm1(a))},
      {"floor", RULE(std::floor(a))},
      {"floor_divide", RULE(std::floor(a / b))},
      {"ge", RULE(a >= b)},
      {"gt", RULE(a > b)},
      {"isnan", RULE(std::isnan(a))},
      {"le", RULE(a <= b)},
      {"leaky_relu", RULE(a < 0 ? a * c.as<ir::LeakyRelu::Attrs>().slope : a)},
      {"log", RULE(std::log(a))},
      {"log10", RULE(std::log10(a))},
      {"log1p", RULE(std::log1p(a))},
      {"log2", RULE(std::log2(a))},
      {"lt", RULE(a < b)},
      {"maximum", RULE(larger(a, b))},
      {"minimum", RULE(smaller(a, b))},
      {"mul", RULE(a * b)},
      {"ne", RULE(a != b)},
      {"neg", RULE(-a)},
      {"pow", RULE(std::pow(a, b))},
      {"reciprocal", RULE(1 / a)},
      {"relu", RULE(a < 0 ? 0 : a)},
      {"remainder", RULE(modulo(a, b))},
      {"round", RULE(std::nearbyint(a))},
      {"sigmoid", RULE(1 / (1 + std::exp(-a)))},
      {"sign", RULE(a > 0   ? 1
                    : a < 0 ? -1
                            : a)},
      {"sin", RULE(std::sin(a))},
      {"sinh", RULE(std::sinh(a))},
      {"softplus", RULE(a > 700 ? a : std::log1p(std::exp(a)))},
      {"sqrt", RULE(std::sqrt(a))},
      {"sub", RULE(a - b)},
      {"tan", RULE(std::tan(a))},
      {"tanh", RULE(std::tanh(a))},
      {"trunc", RULE(std::trunc(a))},
      {"trunc_divide", RULE(std::trunc(a / b))},
      {"where", RULE(a != 0 ? b : d)},
  };
  return table;
}
#undef RULE

/// Their quotient is not known beyond 2^24 (f64: 2^53): see ir/scalar/helpers.h.
bool takes_specials(std::string_view op) { return op != "remainder" && op != "floor_divide"; }

// Integers.

struct IntCall {
  Wide a, b, d;
  DType dtype;
};
using IntRule = Wide (*)(const IntCall&);

Wide floor_quotient(Wide a, Wide b) {
  if (b == 0) return 0;
  Wide q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
bool over_wide(const IntCall& c) { return c.b < 0 || c.b >= bits(c.dtype); }
Wide clamp_int(const IntCall& c) {
  Wide low = 0, high = 3;  // -0.5 as an integer is 0
  return c.a < low ? low : c.a > high ? high : c.a;
}

#define RULE(expression)                             \
  [](const IntCall& c) -> Wide {                     \
    [[maybe_unused]] Wide a = c.a, b = c.b, d = c.d; \
    return expression;                               \
  }

const std::map<std::string_view, IntRule>& int_rules() {
  static const std::map<std::string_view, IntRule> table = {
      {"abs", RULE(a < 0 ? -a : a)},
      {"add", RULE(a + b)},
      {"bitwise_and", RULE(a & b)},
      {"bitwise_not", RULE(~a)},
      {"bitwise_or", RULE(a | b)},
      {"bitwise_xor", RULE(a ^ b)},
      {"clamp", clamp_int},
      {"eq", RULE(a == b)},
      {"floor_divide", RULE(floor_quotient(a, b))},
      {"ge", RULE(a >= b)},
      {"gt", RULE(a > b)},
      {"le", RULE(a <= b)},
      {"logical_and", RULE(a & b)},
      {"logical_not", RULE(a == 0)},
      {"logical_or", RULE(a | b)},
      {"logical_xor", RULE(a ^ b)},
      {"lt", RULE(a < b)},
      {"maximum", RULE(a < b ? b : a)},
      {"minimum", RULE(a < b ? a : b)},
      {"mul", RULE(static_cast<Wide>(static_cast<UnsignedWide>(a) * static_cast<UnsignedWide>(b)))},
      {"ne", RULE(a != b)},
      {"neg", RULE(-a)},
      {"relu", RULE(a < 0 ? 0 : a)},
      {"remainder", RULE(b == 0 ? a : a - b * floor_quotient(a, b))},
      {"shift_left", RULE(over_wide(c) ? 0 : static_cast<Wide>(static_cast<UnsignedWide>(a) << b))},
      {"shift_right", RULE(over_wide(c) ? (a < 0 ? -1 : 0) : a >> b)},
      {"sign", RULE(a > 0   ? 1
                    : a < 0 ? -1
                            : 0)},
      {"sub", RULE(a - b)},
      {"trunc_divide", RULE(b == 0 ? 0 : a / b)},
      {"where", RULE(a != 0 ? b : d)},
  };
  return table;
}
#undef RULE

bool has_own_test(std::string_view op) {
  return op == "cast" || op == "uniform_at" || op == "normal_at";
}

// Comparing.

/// Whether `got` is `want` within `ulps` units of t's precision; zeros keep their sign.
bool close(double got, double want, DType t, double ulps) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got);
  if (t == DType::F32)
    want = std::isinf(static_cast<float>(want)) ? static_cast<float>(want) : want;
  if (std::isinf(want) || std::isinf(got)) return got == want;
  if (want == 0) return got == 0 && std::signbit(got) == std::signbit(want);
  double unit = t == DType::F32 ? 0x1p-23 : 0x1p-52, least = t == DType::F32 ? 0x1p-149 : 0x1p-1074;
  return std::fabs(got - want) <= ulps * (unit * std::fabs(want) + least);
}

/// "" or the first element that is not what the table says.
std::string compare(const OpCase& c, DType t, const std::vector<Dense>& in, const Dense& out) {
  for (int64_t at = 0; at < out.numel(); ++at) {
    double x[3] = {};
    Wide w[3] = {};
    for (size_t i = 0; i < in.size(); ++i) {
      int64_t offset = broadcast_offset(in[i], out.sizes, at);
      if (is_float(in[i].dtype))
        x[i] = real_at(in[i], offset);
      else
        w[i] = int_at(in[i], offset), x[i] = static_cast<double>(w[i]);
    }
    bool same;
    std::string want_text;
    if (is_float(t)) {
      double want = real_rules().at(c.op->name())({x, c.attr_data()});
      if (is_float(out.dtype))
        same = close(real_at(out, at), want, t, 4);
      else
        same = int_at(out, at) == static_cast<Wide>(want);
      want_text = cat(want, " got ", is_float(out.dtype) ? real_at(out, at) : double(out.at(at)));
    } else {
      Wide want = wrap(int_rules().at(c.op->name())({w[0], w[1], w[2], t}), out.dtype);
      same = int_at(out, at) == want;
      want_text = cat(static_cast<int64_t>(want), " got ", static_cast<int64_t>(int_at(out, at)));
    }
    if (!same) {
      return cat(c.name, " at ", at, ": operands ", x[0], " ", x[1], " ", x[2], ", want ",
                 want_text);
    }
  }
  return "";
}

Dense apply_dense(const OpCase& c, const std::vector<Dense>& in) {
  NoGrad no_grad;
  std::vector<Tensor> tensors;
  for (const Dense& d : in) tensors.push_back(to_tensor(d));
  return to_dense(runtime::apply1(*c.op, tensors, concrete(c).get()));
}

/// What an operator without a row can still be held to.
void compare_with_own_f64(const ir::OpDef& op) {
  std::vector<OpCase> narrow = op_cases(op, DType::F32), wide = op_cases(op, DType::F64);
  REQUIRE(narrow.size() == wide.size());
  for (size_t i = 0; i < narrow.size(); ++i) {
    std::vector<Dense> in = draw_operands(narrow[i], 24), in64;
    for (const Dense& d : in) {
      in64.push_back(d.dtype == DType::F32 ? to_dense(to_tensor(d).to(DType::F64)) : d);
    }
    Dense a = apply_dense(narrow[i], in), b = apply_dense(wide[i], in64);
    for (int64_t at = 0; at < a.numel() && a.dtype == DType::F32; ++at) {
      double got = real_at(a, at), want = real_at(b, at);
      if (!(std::fabs(got - want) <= 1e-5 * (1 + std::fabs(want)))) CHECK(got == want);
    }
  }
}

template <class F>
void each_elementwise(F&& f) {
  for (const ir::OpDef* op : ir::all_ops()) {
    if (!op->is_elementwise()) continue;
    for (int t = 0; t < kDTypeCount; ++t) {
      auto dtype = static_cast<DType>(t);
      if (contains(kSupported, dtype) && contains(op->info.types, dtype)) f(*op, dtype);
    }
  }
}

}  // namespace

TEST_CASE("every elementwise operator computes what the C library and wide integers say",
          "[registry]") {
  size_t checked = 0;
  each_elementwise([&](const ir::OpDef& op, DType t) {
    if (has_own_test(op.name())) return;
    INFO(op.name() << ' ' << name(t));
    bool known = is_float(t) ? real_rules().count(op.name()) : int_rules().count(op.name());
    if (!known) {
      WARN(op.name() << " has no row for " << name(t) << ": its f32 is compared with its f64");
      if (t == DType::F32) compare_with_own_f64(op);
      return;
    }
    std::vector<OpCase> cases = op_cases(op, t);
    REQUIRE(!cases.empty());
    for (const OpCase& c : cases) {
      for (bool specials : {false, true}) {
        if (specials && is_float(t) && !takes_specials(op.name())) continue;
        SymbolBindings sizes = case_bindings();
        std::vector<Dense> in = draw_sized(c, 21, sizes, specials);
        CHECK(compare(c, t, in, apply_dense(c, in)) == "");
        ++checked;
      }
    }
  });
  CHECK(checked > 300);
}

namespace {

/// `x` (of dtype `from`) converted, as bits of `to`.
uint64_t converted(const Dense& x, int64_t i, DType to) {
  if (is_float(x.dtype)) {
    double v = real_at(x, i);
    if (is_bool(to)) return v != 0;
    if (to == DType::F64) return std::bit_cast<uint64_t>(v);
    if (to == DType::F32) return std::bit_cast<uint32_t>(static_cast<float>(v));
    bool is_signed = is_signed_int(to);
    Wide top = (Wide{1} << (bits(to) - (is_signed ? 1 : 0))) - 1, bottom = is_signed ? -top - 1 : 0;
    Wide w = std::isnan(v)               ? 0
             : v >= std::ldexp(1.0, 65)  ? top
             : v <= -std::ldexp(1.0, 65) ? bottom
                                         : static_cast<Wide>(v);
    w = w > top ? top : w < bottom ? bottom : w;
    return static_cast<uint64_t>(w) & (~uint64_t{0} >> (64 - bits(to)));
  }
  Wide w = int_at(x, i);
  if (is_bool(to)) return w != 0;
  if (to == DType::F64) return std::bit_cast<uint64_t>(static_cast<double>(w));
  if (to == DType::F32) return std::bit_cast<uint32_t>(static_cast<float>(w));
  return static_cast<uint64_t>(w) & (~uint64_t{0} >> (64 - bits(to)));
}

}  // namespace

TEST_CASE("casts round to nearest even, saturate from floats and wrap between integers",
          "[registry]") {
  size_t checked = 0;
  each_elementwise([&](const ir::OpDef& op, DType t) {
    if (op.name() != "cast") return;
    for (const OpCase& c : op_cases(op, t)) {
      for (bool specials : {false, true}) {
        SymbolBindings sizes = case_bindings();
        std::vector<Dense> in = draw_sized(c, 22, sizes, specials);
        Dense got = apply_dense(c, in), want(got.dtype, got.sizes);
        for (int64_t i = 0; i < want.numel(); ++i) want.set(i, converted(in[0], i, want.dtype));
        INFO(c.name << " to " << name(got.dtype));
        CHECK(first_difference(got, want) == "");
        ++checked;
      }
    }
  });
  CHECK(checked == 2 * 11 * 11);
}

namespace {

/// Philox4x32-10 as the paper writes it.
std::array<uint32_t, 4> philox_paper(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t{0xD2511F53} * c[0], b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    k = {k[0] + 0x9E3779B9, k[1] + 0xBB67AE85};
  }
  return c;
}
double uniform_paper(uint64_t seed, uint64_t ordinal, uint64_t i) {
  auto low = [](uint64_t v) { return static_cast<uint32_t>(v); };
  auto words = philox_paper({low(i / 4), low(i / 4 >> 32), low(ordinal), low(ordinal >> 32)},
                            {low(seed), low(seed >> 32)});
  return static_cast<double>(words[i % 4] >> 8) * 0x1p-24;
}

}  // namespace

TEST_CASE("random numbers are Philox's words, and Box-Muller of them", "[registry]") {
  each_elementwise([&](const ir::OpDef& op, DType t) {
    if (op.name() != "uniform_at" && op.name() != "normal_at") return;
    for (const OpCase& c : op_cases(op, t)) {
      for (bool specials : {false, true}) {
        SymbolBindings sizes = case_bindings();
        std::vector<Dense> in = draw_sized(c, 23, sizes, specials);
        Dense out = apply_dense(c, in);
        REQUIRE(out.dtype == DType::F32);
        for (int64_t at = 0; at < out.numel(); ++at) {
          uint64_t v[3];
          for (size_t k = 0; k < 3; ++k) v[k] = in[k].at(broadcast_offset(in[k], out.sizes, at));
          double want = uniform_paper(v[0], v[1], v[2]);
          if (op.name() == "normal_at") {
            double u1 = uniform_paper(v[0], v[1], v[2] & ~uint64_t{1});
            double u2 = uniform_paper(v[0], v[1], v[2] | 1), angle = 2 * M_PI * u2;
            double radius = std::sqrt(-2 * std::log1p(-u1));
            want = radius * (v[2] % 2 == 0 ? std::cos(angle) : std::sin(angle));
            if (std::fabs(real_at(out, at) - want) > 2e-6) CHECK(real_at(out, at) == want);
          } else if (real_at(out, at) != want) {
            CHECK(real_at(out, at) == want);
          }
        }
      }
    }
  });
}
