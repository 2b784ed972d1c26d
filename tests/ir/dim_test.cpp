#include <catch2/catch.hpp>
#include <random>
#include <sstream>

#include "ir/dim.h"
#include "ir/facts.h"
#include "ir/support/error.h"

using namespace etch;

namespace {

using Wide = __int128;

const Dim N = Dim::symbol("N");
const Dim M = Dim::symbol("M");
const Dim K = Dim::symbol("K");

Wide floor_div(Wide a, Wide b) {
  Wide q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

/// A random expression beside its value, computed with plain integers; none after a division by 0.
struct Sample {
  Dim dim;
  std::optional<Wide> value;
};

class Samples {
 public:
  explicit Samples(uint32_t seed) : rng_(seed) {
    constexpr int64_t kSizes[] = {0, 1, 2, 3, 97, 1000, 4096, 65537, 1000003};
    for (int64_t& v : values_) v = rng_() % 3 != 0 ? rng_() % 12 : kSizes[rng_() % 9];
  }

  Sample draw(int depth) {
    uint32_t kind = depth == 0 ? rng_() % 4 : rng_() % 14;
    if (kind < 3) return {symbols_[kind], values_[kind]};
    if (kind == 3) {
      int64_t c = static_cast<int64_t>(rng_() % 9) - 2;
      return {Dim(c), c};
    }
    Sample a = draw(depth - 1), b = draw(depth - 1);
    int64_t k = 1 + static_cast<int64_t>(rng_() % 6);
    auto both = [&](Dim d, auto f) {
      std::optional<Wide> v;
      if (a.value && b.value) v = f(*a.value, *b.value);
      return Sample{d, v};
    };
    auto divided = [&](Dim d, Wide by, auto f) {
      std::optional<Wide> v;
      if (a.value && by != 0) v = f(*a.value, by);
      return Sample{d, v};
    };
    auto quotient = [](Wide x, Wide y) { return floor_div(x, y); };
    auto rest = [](Wide x, Wide y) { return x - floor_div(x, y) * y; };
    switch (kind) {
      case 4:
      case 5:
        return both(a.dim + b.dim, [](Wide x, Wide y) { return x + y; });
      case 6:
        return both(a.dim - b.dim, [](Wide x, Wide y) { return x - y; });
      case 7:
        return both(a.dim * b.dim, [](Wide x, Wide y) { return x * y; });
      case 8:
        return divided(a.dim / k, k, quotient);
      case 9:
        return divided(a.dim % k, k, rest);
      case 10:
        return divided(ceil_div(a.dim, Dim(k)), k,
                       [](Wide x, Wide y) { return -floor_div(-x, y); });
      case 11:
        return both(min(a.dim, b.dim), [](Wide x, Wide y) { return std::min(x, y); });
      case 12:
        return both(max(a.dim, b.dim), [](Wide x, Wide y) { return std::max(x, y); });
      default:
        if (b.dim.is(0) || !b.value) return a;
        if (rng_() % 2 == 0) return divided(a.dim / b.dim, *b.value, quotient);
        return divided(a.dim % b.dim, *b.value, rest);
    }
  }

  SymbolBindings bindings() const { return {{N, values_[0]}, {M, values_[1]}, {K, values_[2]}}; }
  int64_t value(size_t i) const { return values_[i]; }
  std::mt19937& rng() { return rng_; }

 private:
  std::mt19937 rng_;
  Dim symbols_[3] = {N, M, K};
  int64_t values_[3] = {};
};

std::string shown(const SymbolBindings& bindings) {
  std::string out;
  for (const SymbolBinding& b : bindings) out += cat(" ", b.symbol, "=", b.value);
  return out;
}

bool fits(Wide v) { return v >= -kMaxSize && v <= kMaxSize; }

}  // namespace

TEST_CASE("symbolic arithmetic agrees with integers, and its text parses back to the same size") {
  int compared = 0;
  for (uint32_t seed = 0; seed < 6000; ++seed) {
    Samples samples(seed);
    Sample s = samples.draw(3 + static_cast<int>(seed % 2));
    SymbolBindings bindings = samples.bindings();
    INFO("seed " << seed << ": " << s.dim << shown(bindings));
    auto parsed = parse_dim(to_text(s.dim));
    REQUIRE(parsed.has_value());
    REQUIRE(parsed->same_as(s.dim));
    if (!s.value) continue;
    int64_t got = 0;
    try {
      got = dim_eval(s.dim, bindings);
    } catch (const UserError& e) {
      // Only numbers that do not fit may raise, and only as such.
      REQUIRE_THAT(e.what(), Catch::Contains("overflows 61 bits"));
      continue;
    }
    REQUIRE(fits(*s.value));
    REQUIRE(got == static_cast<int64_t>(*s.value));
    ++compared;
  }
  REQUIRE(compared > 5500);
}

TEST_CASE("what is known about two sizes holds for every value of the symbols") {
  int decided = 0;
  for (uint32_t seed = 0; seed < 6000; ++seed) {
    Samples samples(seed);
    Sample a = samples.draw(2), b = samples.draw(2);
    if (!a.value || !b.value) continue;
    INFO("seed " << seed << ": " << a.dim << " against " << b.dim << shown(samples.bindings()));
    Truth equal = dim_equal(a.dim, b.dim), less = dim_less(a.dim, b.dim);
    if (equal != Truth::Unknown) REQUIRE((equal == Truth::Yes) == (*a.value == *b.value));
    if (less != Truth::Unknown) REQUIRE((less == Truth::Yes) == (*a.value < *b.value));
    decided += less != Truth::Unknown ? 1 : 0;
  }
  REQUIRE(decided > 1500);
}

TEST_CASE("what facts decide holds wherever the facts hold") {
  int decided = 0;
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    Samples samples(seed);
    auto draw = [&](int depth) {
      for (;;) {
        if (Sample s = samples.draw(depth); s.value && fits(*s.value)) return s;
      }
    };
    // True statements about one binding: ranges around it, and relations between random sizes.
    DimFacts facts;
    const Dim symbols[] = {N, M, K};
    for (size_t i = 0; i < 3; ++i) {
      int64_t low = samples.value(i) - static_cast<int64_t>(samples.rng()() % 3);
      int64_t high = samples.value(i) + static_cast<int64_t>(samples.rng()() % 4);
      facts.add_range(symbols[i], std::max<int64_t>(low, 0), high);
    }
    std::string text;
    for (int i = 0; i < 3; ++i) {
      Sample a = draw(1), b = draw(1);
      Relation r = *a.value == *b.value  ? Relation::Equal
                   : *a.value < *b.value ? Relation::Less
                                         : Relation::NotEqual;
      facts.add(a.dim, r, b.dim);
      text += cat(" [", a.dim, " ", r, " ", b.dim, "]");
    }
    for (int i = 0; i < 3; ++i) {
      Sample a = draw(2), b = draw(2);
      for (Relation r :
           {Relation::Equal, Relation::NotEqual, Relation::Less, Relation::LessEqual}) {
        Truth t = dim_holds(a.dim, r, b.dim, facts);
        if (t == Truth::Unknown) continue;
        INFO("seed " << seed << ": " << a.dim << " " << to_text(r) << " " << b.dim
                     << shown(samples.bindings()) << " given" << text);
        auto x = static_cast<int64_t>(*a.value), y = static_cast<int64_t>(*b.value);
        REQUIRE((t == Truth::Yes) == relation_holds(x, r, y));
        ++decided;
      }
    }
  }
  REQUIRE(decided > 20000);
}

TEST_CASE("equal expressions are one expression") {
  const std::pair<Dim, Dim> equal[] = {
      {N + N, 2 * N},
      {(N + 1) * (N - 1), N * N - 1},
      {2 * N * M / (2 * M), N},
      {N - N, Dim(0)},
      {(4 * N + 8) / 4, N + 2},
      {(6 * N + 3) / 3, 2 * N + 1},
      {6 * N % 3, Dim(0)},
      {N / 4 * 4 + N % 4, N},
      {(N * M + N) / (M + 1), N},
      {(N * M + K) / M, N + K / M},
      {N / 2 / 3, N / 6},
      {(N / 2 + 1) / 3, (N + 2) / 6},
      {3 * N / 2, N + N / 2},
      {(2 * N + 1) / 4, N / 2},
      {ceil_div(N, Dim(16)) * 16 / 16, ceil_div(N, Dim(16))},
      {(N - 1) / 2 + 1, ceil_div(N, Dim(2))},
      {min(N, M), min(M, N)},
      {min(N + 1, M + 1), min(N, M) + 1},
      {min(N, M) + max(N, M), N + M},
      {max(N, N + 1), N + 1},
      {N - min(N, Dim(1)), max(N - 1, Dim(0))},
      {min(N, Dim(kMaxSize)), N},
      {max(-N, -M), -min(N, M)},
      {Dim::symbol("N"), N},
  };
  for (const auto& [a, b] : equal) {
    INFO(a << " and " << b);
    CHECK(a.same_as(b));
  }
}

TEST_CASE("the bounds of rounded sizes are known") {
  Dim padded = ceil_div(N, Dim(16)) * 16;
  CHECK(dim_less(padded - N, Dim(16)) == Truth::Yes);
  CHECK(dim_less(padded, N) == Truth::No);
  CHECK(dim_less(N % M, M) == Truth::Yes);
  CHECK(dim_less(N / 2 * 2, N + 1) == Truth::Yes);
  CHECK(dim_equal(ceil_div(N, Dim(2)), N - N / 2) == Truth::Yes);
  CHECK(dim_less((N + 2 - 3) / 2 + 1, N + 1) == Truth::Yes);
  CHECK(dim_less(min(N, M), N + 1) == Truth::Yes);
  CHECK(dim_less(3 * ceil_div(N, Dim(3)), N) == Truth::No);
  CHECK(dim_equal(2 * N, 2 * M + 1) == Truth::No);
  CHECK(dim_less(N, M) == Truth::Unknown);
  CHECK(dim_equal(N / 3, N / 2) == Truth::Unknown);
}

TEST_CASE("ranges and recorded relations decide what expressions alone cannot") {
  DimFacts facts;
  facts.add_range(N, 4, 64);
  CHECK(dim_less(Dim(3), N, facts) == Truth::Yes);
  CHECK(dim_equal(min(N, Dim(4)), Dim(4), facts) == Truth::Yes);
  CHECK(dim_less(N / 2, Dim(33), facts) == Truth::Yes);
  CHECK(dim_equal(N, Dim(65), facts) == Truth::No);
  CHECK(dim_equal(N, M, facts) == Truth::Unknown);
  facts.add(N, Relation::Equal, M);
  CHECK(dim_equal(N * M, M * M, facts) == Truth::Yes);
  CHECK(dim_less(M, Dim(65), facts) == Truth::Yes);
  facts.add(K, Relation::Less, N);
  CHECK(dim_less(K, M, facts) == Truth::Yes);
  CHECK(dim_equal(K, N, facts) == Truth::No);
  CHECK(dim_equal(min(K, N), K, facts) == Truth::Yes);
  CHECK(dim_less(Dim(0), K, facts) == Truth::Unknown);
  facts.add(K, Relation::NotEqual, Dim(0));
  CHECK(dim_less(Dim(0), K, facts) == Truth::Yes);
  CHECK(facts.reduce(M + 1).same_as(facts.reduce(N + 1)));

  DimFacts odd;
  odd.add(N, Relation::Equal, 2 * M + 1);
  CHECK(dim_equal(N % 2, Dim(1), odd) == Truth::Yes);
  CHECK(dim_equal((N - 1) / 2, M, odd) == Truth::Yes);
  odd.add(N, Relation::Less, Dim(7));
  CHECK(dim_less(M, Dim(3), odd) == Truth::Yes);

  DimFacts even;
  even.add(6 * N % 4, Relation::Equal, Dim(0));
  CHECK(dim_equal(6 * N / 4 * 4, 6 * N, even) == Truth::Yes);
  // What one place knows is not known elsewhere.
  CHECK(dim_equal(N, M) == Truth::Unknown);
}

TEST_CASE("a thread's facts decide comparisons and give numbers while they are offered") {
  DimFacts facts;
  facts.add_range(N, 3, 9);
  facts.add(M, Relation::Equal, Dim(5));
  {
    KnownFacts known(facts);
    CHECK(N > 2);
    CHECK(int64_t{M + 1} == 6);
    CHECK_THROWS_WITH(N > 3, Catch::Contains("3 < N depends on a symbolic size"));
  }
  CHECK_THROWS_AS(N > 2, UserError);
}

TEST_CASE("sizes print as people write them") {
  const std::pair<Dim, const char*> expected[] = {
      {2 * N + 1, "2*N + 1"},
      {Dim(-3), "-3"},
      {N / 2, "floordiv(N, 2)"},
      {-N - 1, "-N - 1"},
      {N % 4, "mod(N, 4)"},
      {3 * (N % 4) + M, "M + 3*mod(N, 4)"},
      {min(N, Dim(4)), "min(N, 4)"},
      {N - min(N, Dim(1)), "max(N - 1, 0)"},
      {2 * max(N, M) - 1, "2*max(M, N) - 1"},
      {M * N + N * N, "M*N + N*N"},
      {ceil_div(N, Dim(16)), "floordiv(N + 15, 16)"},
  };
  for (const auto& [d, text] : expected) CHECK(to_text(d) == text);
  std::ostringstream out;
  out << N + 1;
  CHECK(out.str() == "N + 1");
}

TEST_CASE("overflow and division by zero are errors, not other sizes") {
  Dim big(kMaxSize);
  REQUIRE_THROWS_AS(big + 1, UserError);
  REQUIRE_THROWS_AS(big * 2, UserError);
  REQUIRE_THROWS_AS(big * N + N, UserError);
  REQUIRE_THROWS_AS(N / Dim(0), UserError);
  REQUIRE_THROWS_AS(Dim(3) % Dim(0), UserError);
  REQUIRE_THROWS_AS(Dim(kMaxSize + 1), UserError);
  REQUIRE_THROWS_AS(Dim(INT64_MIN), UserError);
  REQUIRE_THROWS_AS(Dim(UINT64_MAX), UserError);
  REQUIRE((big + 0).same_as(big));
  const SymbolBinding none[] = {{N, 7}, {M, 0}};
  REQUIRE_THROWS_WITH(dim_eval(N / M, none), Catch::Contains("division of a size by zero"));
  const SymbolBinding large[] = {{N, int64_t{1} << 40}, {M, 1}};
  REQUIRE_THROWS_WITH(dim_eval(N * N, large), Catch::Contains("overflows"));
  // What only passes through large numbers is exact.
  REQUIRE(dim_eval((N - M) * (N + M) - N * N + 5, large) == 4);
}

TEST_CASE("an expression holds as many parts as the limit says and not one more") {
  Dim sum(0);
  for (int i = 0; i < kMaxDimWeight; ++i) sum += Dim::symbol(cat("s", i));
  REQUIRE(parse_dim(to_text(sum))->same_as(sum));
  REQUIRE_THROWS_WITH(sum + 1, Catch::Contains("more than 256 parts"));
  REQUIRE_THROWS_AS(sum * sum, UserError);

  Dim nested = N;
  REQUIRE_THROWS_WITH(
      [&] {
        for (int i = 0; i < kMaxDimWeight; ++i) nested = min(nested + M, Dim(i) * K) / 7;
      }(),
      Catch::Contains("more than 256 parts"));
  REQUIRE(parse_dim(to_text(nested))->same_as(nested));
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
  std::string wide = "N";
  for (int i = 0; i < 10000; ++i) wide += cat(" + s", i);
  CHECK_FALSE(parse_dim(wide).has_value());
}
