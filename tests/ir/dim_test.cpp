#include <catch2/catch.hpp>
#include <random>

#include "ir/dim.h"
#include "ir/support/error.h"

using namespace etch;

namespace {

const Dim N = Dim::symbol("N");
const Dim M = Dim::symbol("M");

int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

/// A random expression beside its value under `n` and `m`, computed with plain integers.
struct Sample {
  Dim dim;
  int64_t value;
};

Sample random_dim(std::mt19937& rng, int64_t n, int64_t m, int depth) {
  uint32_t kind = depth == 0 ? rng() % 3 : rng() % 10;
  if (kind == 0) return {N, n};
  if (kind == 1) return {M, m};
  if (kind == 2) {
    int64_t c = static_cast<int64_t>(rng() % 9) - 2;
    return {Dim(c), c};
  }
  Sample a = random_dim(rng, n, m, depth - 1), b = random_dim(rng, n, m, depth - 1);
  int64_t positive = 1 + static_cast<int64_t>(rng() % 5);
  switch (kind) {
    case 3:
    case 4:
      return {a.dim + b.dim, a.value + b.value};
    case 5:
      return {a.dim - b.dim, a.value - b.value};
    case 6:
      return {a.dim * b.dim, a.value * b.value};
    case 7:
      return {a.dim / positive, floor_div(a.value, positive)};
    case 8:
      return {a.dim % positive, a.value - floor_div(a.value, positive) * positive};
    default:
      return rng() % 2 == 0 ? Sample{min(a.dim, b.dim), std::min(a.value, b.value)}
                            : Sample{max(a.dim, b.dim), std::max(a.value, b.value)};
  }
}

}  // namespace

TEST_CASE("symbolic arithmetic agrees with integers, and its text parses back to the same size") {
  std::mt19937 rng(5);
  for (int i = 0; i < 3000; ++i) {
    int64_t n = rng() % 20, m = rng() % 20;
    Sample s = random_dim(rng, n, m, 3);
    const SymbolBinding bindings[] = {{N, n}, {M, m}};
    INFO(to_text(s.dim) << " with N=" << n << " M=" << m);
    REQUIRE(dim_eval(s.dim, bindings) == s.value);
    auto parsed = parse_dim(to_text(s.dim));
    REQUIRE(parsed.has_value());
    REQUIRE(parsed->same_as(s.dim));
  }
}

TEST_CASE("what is known about two sizes holds for every value of the symbols") {
  std::mt19937 rng(6);
  for (int i = 0; i < 2000; ++i) {
    int64_t n = rng() % 6, m = rng() % 6;
    Sample a = random_dim(rng, n, m, 2), b = random_dim(rng, n, m, 2);
    INFO(to_text(a.dim) << " against " << to_text(b.dim) << " with N=" << n << " M=" << m);
    Truth equal = dim_equal(a.dim, b.dim), less = dim_less(a.dim, b.dim);
    if (equal != Truth::Unknown) REQUIRE((equal == Truth::Yes) == (a.value == b.value));
    if (less != Truth::Unknown) REQUIRE((less == Truth::Yes) == (a.value < b.value));
  }
}

TEST_CASE("equal expressions are one expression") {
  REQUIRE((N + N).same_as(2 * N));
  REQUIRE(((N + 1) * (N - 1)).same_as(N * N - 1));
  REQUIRE((2 * N * M / (2 * M)).same_as(N));
  REQUIRE((N - N).is(0));
  REQUIRE(((4 * N + 8) / 4).same_as(N + 2));
  REQUIRE((6 * N % 3).is(0));
  REQUIRE(min(N, M).same_as(min(M, N)));
  REQUIRE(max(N, N + 1).same_as(N + 1));
  REQUIRE(Dim::symbol("N").same_as(N));
}

TEST_CASE("sizes print as people write them") {
  REQUIRE(to_text(2 * N + 1) == "2*N + 1");
  REQUIRE(to_text(Dim(-3)) == "-3");
  REQUIRE(to_text(N / 2) == "floordiv(N, 2)");
  REQUIRE(to_text(-N - 1) == "-N - 1");
}

TEST_CASE("overflow and division by zero are errors, not other sizes") {
  Dim big((int64_t{1} << 61) - 1);
  REQUIRE_THROWS_AS(big + 1, UserError);
  REQUIRE_THROWS_AS(big * 2, UserError);
  REQUIRE_THROWS_AS(big * N + N, UserError);
  REQUIRE_THROWS_AS(N / Dim(0), UserError);
  REQUIRE_THROWS_AS(Dim(3) % Dim(0), UserError);
  REQUIRE((big + 0).same_as(big));
}

TEST_CASE("a size that nothing can decide is an error when a number is needed") {
  REQUIRE_THROWS_WITH(static_cast<int64_t>(N), Catch::Contains("N"));
  REQUIRE_THROWS_AS(N == 3, UserError);
  REQUIRE_THROWS_AS(static_cast<int8_t>(Dim(200)), UserError);
  REQUIRE((N + 1 > N));
  REQUIRE_FALSE((N < 0));
}

TEST_CASE("text that is no size is refused without a crash") {
  for (const char* text : {"", "+", "2*", "N +", "floordiv(N, 0)", "mod(N)", "foo(N, 2)", "N M",
                           "1.5", "9223372036854775808", "(N)", "N]"}) {
    INFO(text);
    CHECK_FALSE(parse_dim(text).has_value());
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "min(";
  CHECK_FALSE(parse_dim(deep).has_value());
}
