// Sizes inside traces: recorded once at small sizes, right at all of them.
#include <catch2/catch.hpp>

#include "etch/jit.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "runtime/program/program.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::test;

namespace {

using Function = Tensor (*)(const Tensor&);

struct Model {
  const char* name;
  Function f;
  std::vector<int64_t> rest;  // sizes after N
  int64_t least = 0;          // sizes below it raise
};

// Captured; made before any trace.
const Tensor& narrow_weight() {
  static const Tensor w = random_f32({2, 1, 3, 3}, 77);
  return w;
}
const Tensor& wide_weight() {
  static const Tensor w = random_f32({2, 2, 3, 3}, 78);
  return w;
}

const Model kModels[] = {
    {"view({n, -1})", [](const Tensor& x) { return x.view({x.size(0), -1}) * 2; }, {3, 4}},
    {"reshape({-1, 6})", [](const Tensor& x) { return relu(x.reshape({-1, 6})); }, {3, 4}},
    {"flatten and back",
     [](const Tensor& x) { return exp(x.flatten()).view({x.size(0), x.size(1), 4}); },
     {3, 4}},
    {"reshape to pairs",
     [](const Tensor& x) { return amax(x.reshape({x.size(0) * 2, -1}), {1}); },
     {6},
     1},
    {"transpose then reshape",
     [](const Tensor& x) { return x.transpose(0, 1).reshape({-1, x.size(0)}) + 1; },
     {3, 4}},
    {"differences of neighbours",
     [](const Tensor& x) { return x.slice(0, 1, INT64_MAX) - x.slice(0, 0, -1); },
     {5}},
    {"the second half",
     [](const Tensor& x) { return x.slice(0, x.size(0) / 2, x.size(0)) + 1; },
     {5}},
    {"every other row, from a Dim",
     [](const Tensor& x) { return x.index({Index::range(0, x.size(0), 2), Index::from(1)}) * 3; },
     {5}},
    {"the last two rows", [](const Tensor& x) { return x.slice(0, -2, INT64_MAX) * 2; }, {5}},
    {"split in halves",
     [](const Tensor& x) {
       Dim half = x.size(0) / 2;
       std::vector<Tensor> p = x.split({half, x.size(0) - half}, 0);
       return concat({p[1] * 2, p[0]}, 0);
     },
     {5}},
    {"split channels",
     [](const Tensor& x) {
       std::vector<Tensor> p = x.split(2, 1);
       return p[0] + p[1] * p[2];
     },
     {6}},
    {"chunk channels and multiply",
     [](const Tensor& x) {
       std::vector<Tensor> p = x.chunk(2, -1);
       return sigmoid(p[0]) * p[1];
     },
     {6}},
    {"pad to a multiple of 16 and look at rows of 16",
     [](const Tensor& x) {
       Dim n = x.size(0);
       Tensor padded = pad(x, {0, 0}, {(16 - n % 16) % 16, 0});
       return sum(padded.reshape({-1, 16, x.size(1)}), {1});
     },
     {3}},
    {"pad and cut",
     [](const Tensor& x) {
       Tensor p = pad(x, {2, 1}, {3, 0}, 1.5);
       return p.slice(0, 2, x.size(0) + 2) + x.select(1, 0).unsqueeze(1);
     },
     {4}},
    {"convolution along N",
     [](const Tensor& x) {
       Tensor image = x.unsqueeze(0).unsqueeze(0);
       Tensor y = conv2d(image, narrow_weight(), {2, 1}, {1, 1, 1, 1});
       return relu(y).reshape({2, -1});
     },
     {7},
     1},
    {"a residual of two convolutions over the batch",
     [](const Tensor& x) {
       Tensor y = relu(conv2d(x, wide_weight(), {1, 1}, {1, 1, 1, 1}));
       return conv2d(y, wide_weight(), {1, 1}, {1, 1, 1, 1}) + x;
     },
     {2, 4, 5}},
    {"pooling halves",
     [](const Tensor& x) { return max_pool2d(x.unsqueeze(0).unsqueeze(0), {2, 2}, {2, 2}); },
     {6},
     2},
    {"positions from arange",
     [](const Tensor& x) { return x * arange(x.size(0), DType::F32).unsqueeze(1); },
     {3}},
    {"mean over N", [](const Tensor& x) { return x - mean(x, {0}, true); }, {5}},
    {"mean over everything", [](const Tensor& x) { return x * mean(x, {}); }, {3}},
    {"ones, full and cat",
     [](const Tensor& x) {
       return concat({x, ones({x.size(0), 2}), full({x.size(0), 1}, 0.5)}, 1);
     },
     {3}},
    {"cat along N twice",
     [](const Tensor& x) {
       Tensor twice = concat({x, x + 1}, 0);
       return twice.view({2, x.size(0), -1}).select(0, 1);
     },
     {3},
     1},
    {"expand and repeat",
     [](const Tensor& x) {
       Tensor row = sum(x, {1}, true).expand({x.size(0), 3});
       return row + x.repeat({1, 1}) + arange(3, DType::F32);
     },
     {3}},
    {"repeat along N",
     [](const Tensor& x) { return x.repeat({2, 1}).slice(0, x.size(0), 2 * x.size(0)) * 2; },
     {3}},
    {"gram matrix and its diagonal blocks",
     [](const Tensor& x) {
       Tensor g = matmul(x, x.t());
       return softmax(g, 1).narrow(1, 0, x.size(0)) + g.t();
     },
     {4},
     1},
    {"windows as two overlapping slices",
     [](const Tensor& x) {
       Dim n = x.size(0);
       return x.narrow(0, 0, n - 1) * x.narrow(0, 1, n - 1);
     },
     {4},
     1},
    {"the smaller of N and 4 rows",
     [](const Tensor& x) { return x.slice(0, 0, 4).reshape({-1}) * 2; },
     {3}},
    {"a number from the size",
     [](const Tensor& x) { return x / dim_tensor(max(x.size(0), Dim(1)), DType::F32); },
     {3}},
    {"attention over N",
     [](const Tensor& x) {
       Tensor q = x.reshape({x.size(0), 2, -1}).transpose(0, 1);
       Tensor s = softmax(matmul(q, q.transpose(1, 2)), -1);
       return matmul(s, q).transpose(0, 1).reshape({x.size(0), -1});
     },
     {8},
     1},
};

TraceOptions dynamic_n() {
  TraceOptions options;
  options.dynamic = {{"x", 0, "N"}};
  return options;
}

std::vector<int64_t> with_n(int64_t n, const std::vector<int64_t>& rest) {
  std::vector<int64_t> out{n};
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

}  // namespace

TEST_CASE("a trace made at N = 3 is right at 0, 1, 2, a prime and a large size", "[trace]") {
  for (const Model& m : kModels) {
    INFO(m.name);
    Tensor example = random_f32(with_n(3, m.rest), 5);
    m.f(example);
    Trace t = trace(m.f, example, dynamic_n());
    INFO(t.text());
    ir::verify(t.graph());
    CHECK(ir::same_graph(t.graph(), ir::parse(t.text(), [&](const Hash128& h) {
                           std::shared_ptr<const ir::Constant> found;
                           for (ir::NodeId id : t.graph()) {
                             const ir::Node& n = t.graph().node(id);
                             if (ir::is_constant(n) && n.constant->hash == h) found = n.constant;
                           }
                           return found;
                         })));
    for (CompileMode mode : {CompileMode::Interpret, CompileMode::Sync}) {
      Compiled f(t, {.mode = mode});
      for (int64_t n : {0, 1, 2, 97, 1000}) {
        INFO("N = " << n << (mode == CompileMode::Sync ? " compiled" : " interpreted"));
        Tensor x = random_f32(with_n(n, m.rest), static_cast<uint32_t>(n));
        if (n < m.least) {
          CHECK_THROWS_AS(f(x), UserError);
          continue;
        }
        CHECK(same_bits(f(x), m.f(x)));
      }
    }
  }
}

TEST_CASE("two sizes that an operator needs equal are one from then on, and checked at each call",
          "[trace]") {
  TraceOptions options;
  options.dynamic = {{"x", 0, "N"}, {"y", 0, "M"}};
  auto f = [](const Tensor& x, const Tensor& y) {
    Tensor z = add(x, y);
    // Nothing new is asked: N and M are known to be equal here.
    return concat({z, y.slice(0, 0, x.size(0))}, 1) + x.view({y.size(0), -1}).repeat({1, 2});
  };
  std::tuple args(random_f32({4, 3}, 1), random_f32({4, 3}, 2));
  Trace t = trace(f, {"x", "y"}, args, options);
  INFO(t.text());
  ir::verify(t.graph());
  REQUIRE(t.graph().constraints.size() == 1);
  CHECK(to_text(t.graph().constraints[0].lhs) == "N");
  CHECK(to_text(t.graph().constraints[0].rhs) == "M");
  CHECK(t.graph().constraints[0].relation == Relation::Equal);
  CHECK(ir::same_graph(t.graph(), ir::parse(t.text())));
  for (CompileMode mode : {CompileMode::Interpret, CompileMode::Sync}) {
    Compiled g(t, {.mode = mode});
    ir::verify(g.optimized());
    CHECK(ir::same_graph(g.optimized(), ir::parse(ir::print(g.optimized()))));
    for (int64_t n : {0, 1, 2, 97}) {
      Tensor x = random_f32({n, 3}, 3), y = random_f32({n, 3}, 4);
      CHECK(same_bits(g({{x, y}}).front(), f(x, y)));
    }
    // y could broadcast in eager with one row; the recorded program does not assume which.
    for (auto [n, m] : {std::pair{4, 5}, {4, 1}, {1, 4}, {0, 1}}) {
      CHECK_THROWS_WITH(
          g({{random_f32({n, 3}, 3), random_f32({m, 3}, 4)}}),
          Catch::Contains(cat("expected N == M with N = ", n, " (input 'x' axis 0), M = ", m,
                              " (input 'y' axis 0)")) &&
              Catch::Contains("sizes_test.cpp:"));
    }
  }
}

TEST_CASE("inner sizes of a product and divisors of a reshape are recorded too", "[trace]") {
  TraceOptions options;
  options.dynamic = {{"x", 1, "K"}, {"y", 0, "L"}};
  auto product = [](const Tensor& x, const Tensor& y) { return matmul(x, y); };
  std::tuple args(random_f32({2, 4}, 1), random_f32({4, 3}, 2));
  Trace t = trace(product, {"x", "y"}, args, options);
  Compiled g(t);
  Tensor x = random_f32({2, 7}, 3), y = random_f32({7, 3}, 4);
  CHECK(same_bits(g({{x, y}}).front(), matmul(x, y)));
  CHECK_THROWS_WITH(g({{x, random_f32({6, 3}, 4)}}), Catch::Contains("expected K == L"));

  auto fours = [](const Tensor& v) { return sum(v.reshape({-1, 4}), {1}); };
  Compiled h(trace(fours, random_f32({8}, 1), dynamic_n()));
  for (int64_t n : {0, 4, 12, 400}) {
    Tensor v = random_f32({n}, 6);
    CHECK(same_bits(h(v), fours(v)));
  }
  CHECK_THROWS_WITH(h(random_f32({6}, 6)),
                    Catch::Contains("with N = 6") && Catch::Contains("sizes_test.cpp:"));
}

TEST_CASE("declared ranges decide what a trace may assume, and are its contract", "[trace]") {
  TraceOptions options;
  options.dynamic = {{"x", 0, "N", 4, 64}};
  // The first four rows are always there, so the result has a fixed shape.
  auto f = [](const Tensor& x) { return x.slice(0, 0, 4).reshape({2, 2, -1}); };
  Trace t = trace(f, random_f32({6, 3}, 1), options);
  INFO(t.text());
  CHECK(t.text().find("symbol N in [4, 64]") != std::string::npos);
  CHECK(t.graph().constraints.empty());
  CHECK(t.text().find("f32[2, 2, 3]") != std::string::npos);
  Compiled g(t);
  for (int64_t n : {4, 64}) {
    Tensor x = random_f32({n, 3}, 2);
    CHECK(same_bits(g(x), f(x)));
  }
  for (int64_t n : {3, 65}) {
    CHECK_THROWS_WITH(g(random_f32({n, 3}, 2)), Catch::Contains("is outside its range 4 to 64"));
  }
}

TEST_CASE("slices, splits and repeats by numbers do what their names say", "[eager]") {
  Tensor x = arange(7, DType::F32);
  auto values = [](const Tensor& t) { return t.to_vector<float>(); };
  using V = std::vector<float>;
  CHECK(values(x.slice(0, 2, 5)) == V{2, 3, 4});
  CHECK(values(x.slice(0, -3, INT64_MAX, 2)) == V{4, 6});
  CHECK(values(x.slice(0, -100, 2)) == V{0, 1});
  CHECK(values(x.slice(0, 5, 2)).empty());
  CHECK(values(x.narrow(0, -2, 2)) == V{5, 6});
  CHECK_THROWS_AS(x.narrow(0, 5, 3), UserError);
  CHECK_THROWS_AS(x.narrow(0, 5, -1), UserError);
  std::vector<Tensor> parts = x.split(3);
  REQUIRE(parts.size() == 3);
  CHECK(values(parts[2]) == V{6});
  CHECK(x.split({2, 0, 5}).at(1).size(0) == 0);
  CHECK_THROWS_WITH(x.split({2, 4}), Catch::Contains("do not add up to size 7"));
  CHECK_THROWS_AS(x.split(0), UserError);
  CHECK(x.chunk(3).size() == 3);
  CHECK(x.chunk(5).size() == 4);
  CHECK(x.slice(0, 0, 0).split(2).size() == 1);
  CHECK(values(x.slice(0, 0, 2).repeat({2, 2})) == V{0, 1, 0, 1, 0, 1, 0, 1});
  CHECK(x.slice(0, 0, 2).repeat({0}).size(0) == 0);
  CHECK_THROWS_AS(x.repeat({}), UserError);
  CHECK(empty({0, 6}).view({0, -1}).size(1) == 6);
  CHECK(empty({3, 0, 6}).view({0, -1}).size(1) == 18);
  CHECK_THROWS_WITH(empty({0, 6}).view({0, 0, -1}), Catch::Contains("-1 is not clear"));
}
