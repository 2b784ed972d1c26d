// cond, while_loop and scan: against plain C++ branches and loops, eagerly, traced, compiled and
// saved.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "etch/autograd.h"
#include "etch/control.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/random.h"
#include "ir/graph.h"
#include "runtime/program/artifact.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::test;
using Catch::Contains;

namespace {

using Floats = std::vector<float>;
using Pair = std::pair<Tensor, Tensor>;

CompileOptions strict() {
  CompileOptions o;
  o.strict = true;
  return o;
}

/// The function traced with a dynamic first axis, compiled strictly, on each of the inputs: the
/// same bits as the function itself.
template <class F>
Compiled check_compiled(F&& f, const Tensor& example, const std::vector<Tensor>& inputs,
                        TraceOptions options = {}) {
  options.dynamic = {{"x", 0, "N"}};
  Compiled compiled(trace(f, example, options), strict());
  for (const Tensor& x : inputs) {
    INFO("size " << x.size(0));
    CHECK(same_bits(compiled(x), f(x)));
  }
  CHECK(compiled.stats().fallbacks == 0);
  CHECK(compiled.stats().interpreted_run == 0);
  return compiled;
}

std::vector<Tensor> rows(std::initializer_list<int64_t> counts, int64_t width) {
  std::vector<Tensor> out;
  uint32_t seed = 3;
  for (int64_t n : counts) out.push_back(random_f32({n, width}, seed++));
  return out;
}

/// h = tanh(h w + x), with the sum of h as each step's result.
struct Rnn {
  Tensor w = random_f32({4, 4}, 1) * 0.3, h0 = random_f32({4}, 2);

  Tensor step(const Tensor& h, const Tensor& x) const {
    return tanh(matmul(h.view({1, 4}), w).view({4}) + x);
  }
  Pair with_scan(const Tensor& xs, bool reverse = false) const {
    return scan(
        [&](const Tensor& h, const Tensor& x) {
          Tensor next = step(h, x);
          return Pair(next, sum(next));
        },
        h0, xs, {.reverse = reverse});
  }
  Pair with_loop(const Tensor& xs, bool reverse = false) const {
    Tensor h = h0;
    const int64_t n = xs.sizes()[0];
    std::vector<Tensor> sums(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = reverse ? n - 1 - i : i;
      h = step(h, xs.slice(0, at, at + 1).view({4}));
      sums[static_cast<size_t>(at)] = sum(h).view({1});
    }
    return {h, n == 0 ? zeros({0}) : concat(sums, 0)};
  }
};

double gap(const Tensor& a, const Tensor& b) {
  double worst = 0;
  auto x = a.to(DType::F64).to_vector<double>(), y = b.to(DType::F64).to_vector<double>();
  REQUIRE(x.size() == y.size());
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

}  // namespace

TEST_CASE("cond takes the branch that the value chooses", "[control]") {
  auto f = [](const Tensor& x) {
    return cond(sum(x) > 0, [&] { return x * 2; }, [&] { return x - 1; });
  };
  CHECK(f(tensor<float>({1, 2})).to_vector<float>() == Floats{2, 4});
  CHECK(f(tensor<float>({-1, -2})).to_vector<float>() == Floats{-2, -3});
  Compiled compiled =
      check_compiled(f, tensor<float>({1, 2}),
                     {tensor<float>({3, 4, 5}), tensor<float>({-3}), zeros({0}), ones({97})});
  Jit g = jit(f, {"x"});
  for (float v : {1.F, -1.F, 2.F, -2.F, 3.F, -3.F}) {
    Tensor x = tensor<float>({v, v});
    CHECK(g({&x, 1})[0].to_vector<float>() == f(x).to_vector<float>());
  }
  CHECK(g.stats().leaves == 1);
  CHECK(g.stats().misses == 0);
}

TEST_CASE("eagerly only the chosen branch runs", "[control]") {
  int ran = 0;
  Tensor table = tensor<float>({10, 20, 30});
  auto look_up = [&](int64_t i) {
    Tensor index = tensor<int64_t>({i});
    return cond(
        sum(index) < 3, [&] { return ++ran, gather(table, index, 0); },
        [&] { return ran += 100, zeros({1}); });
  };
  CHECK(look_up(1).to_vector<float>() == Floats{20});
  CHECK(look_up(7).to_vector<float>() == Floats{0});
  CHECK(ran == 101);
}

TEST_CASE("a branch changes captured tensors when it is taken, and only then", "[control]") {
  Tensor count = scalar_tensor(0, DType::I64), total = zeros({2});
  Generator rng(5);
  auto f = [&](const Tensor& x) {
    return cond(
        sum(x) > 0,
        [&] {
          count.add_(scalar_tensor(1, DType::I64));
          total.add_(x);
          return x + rand({2}, rng);
        },
        [&] { return x; });
  };
  auto run_all = [&](auto&& g) {
    NoGrad no_grad;
    count.copy_(scalar_tensor(0, DType::I64));
    total.copy_(zeros({2}));
    rng.seed(5);
    Floats out;
    for (float v : {1.F, -1.F, 2.F, 3.F, -4.F, 5.F}) {
      Tensor y = g(tensor<float>({v, v / 2}));
      for (float e : y.to_vector<float>()) out.push_back(e);
    }
    out.push_back(static_cast<float>(count.item<int64_t>()));
    for (float e : total.to_vector<float>()) out.push_back(e);
    return out;
  };
  const Floats eager = run_all(f);
  CHECK(eager[12] == 4);
  CHECK(eager[13] == 11);
  Jit g = jit(f, {"x"});
  CHECK(run_all([&](const Tensor& x) { return g({&x, 1})[0]; }) == eager);
  CHECK(g.stats().replays == 4);
  CHECK(g.stats().eager_because.empty());
  TraceOptions options;
  options.state = {{"count", count}, {"total", total}, {"rng", rng.state()}};
  Compiled compiled(trace(f, tensor<float>({1, 2}), options), strict());
  CHECK(run_all([&](const Tensor& x) { return compiled(x); }) == eager);
}

TEST_CASE("a tensor of the other branch gets no gradient, compiled neither", "[control]") {
  Tensor a = tensor<float>({2, 3}).requires_grad_(), b = tensor<float>({5, 7}).requires_grad_();
  auto f = [&](const Tensor& x) {
    a.set_grad(Tensor());
    b.set_grad(Tensor());
    Tensor y = cond(sum(x) > 0, [&] { return a * x; }, [&] { return b - x; });
    sum(y).backward();
    return y.detach();
  };
  Jit g = jit(f, {"x"});
  for (float v : {1.F, 2.F, -1.F, -2.F, 3.F, -3.F}) {
    Tensor x = tensor<float>({v, v});
    g({&x, 1});
    CHECK(a.grad().defined() == (v > 0));
    CHECK(b.grad().defined() == (v < 0));
    if (v > 0) CHECK(a.grad().to_vector<float>() == Floats{v, v});
  }
  CHECK(g.stats().leaves == 2);
  CHECK(g.stats().eager_because.empty());
}

TEST_CASE("what a body drew or changed is found again by its gradient", "[control]") {
  Tensor w = tensor<float>({2, 3}).requires_grad_();
  Tensor scale = tensor<float>({4});
  Generator rng(3), same(3);
  auto f = [&] {
    return cond(
        sum(scale) > 0,
        [&] {
          Tensor y = w * rand({2}, rng) * scale;
          scale.mul_(full({1}, -1));
          return y;
        },
        [&] { return w * 1; });
  };
  Tensor y = f();
  Tensor want = rand({2}, same) * 4;
  CHECK(same_bits(grad(sum(y), w), want));
  CHECK(scale.to_vector<float>() == Floats{-4});
}

TEST_CASE("in jit a branch that fails where eager would not run it keeps the call eager",
          "[control]") {
  Tensor table = tensor<float>({10, 20, 30});
  auto f = [&](const Tensor& index) {
    return cond(
        sum(index) < 3, [&] { return gather(table, index, 0); }, [&] { return zeros({1}); });
  };
  Jit g = jit(f, {"index"});
  for (int64_t i : {1, 7, 2, 9}) {
    Tensor index = tensor<int64_t>({i});
    CHECK(g({&index, 1})[0].to_vector<float>() == f(index).to_vector<float>());
  }
}

TEST_CASE("scan is the loop over the first axis, in both directions and of any length",
          "[control]") {
  Rnn rnn;
  for (bool reverse : {false, true}) {
    for (const Tensor& xs : rows({0, 1, 2, 7, 97}, 4)) {
      auto [h, sums] = rnn.with_scan(xs, reverse);
      auto [want_h, want_sums] = rnn.with_loop(xs, reverse);
      CHECK(same_bits(h, want_h));
      CHECK(same_bits(sums, want_sums));
    }
    check_compiled([&](const Tensor& xs) { return rnn.with_scan(xs, reverse).first; },
                   random_f32({3, 4}, 9), rows({0, 1, 2, 5, 97}, 4));
    check_compiled([&](const Tensor& xs) { return rnn.with_scan(xs, reverse).second; },
                   random_f32({3, 4}, 9), rows({0, 1, 2, 5, 97}, 4));
  }
}

TEST_CASE("gradients go through scan to carried values, elements and captures", "[control]") {
  Rnn rnn;
  rnn.w.requires_grad_();
  rnn.h0.requires_grad_();
  Tensor xs = random_f32({6, 4}, 8).requires_grad_();
  const std::vector<Tensor> leaves{rnn.w, rnn.h0, xs};
  auto loss = [&](bool with_scan) {
    auto [h, sums] = with_scan ? rnn.with_scan(xs) : rnn.with_loop(xs);
    return sum(h * h) + sum(sums * sums);
  };
  std::vector<Tensor> got = grad({{loss(true)}}, leaves, {}, true);
  std::vector<Tensor> want = grad({{loss(false)}}, leaves, {}, true);
  for (size_t i = 0; i < leaves.size(); ++i) CHECK(gap(got[i], want[i]) < 2e-5);
  // The gradient's own gradient: a penalty on it.
  auto penalty = [&](const std::vector<Tensor>& g) { return sum(g[0] * g[0]) + sum(g[2]); };
  std::vector<Tensor> got2 = grad({{penalty(got)}}, leaves);
  std::vector<Tensor> want2 = grad({{penalty(want)}}, leaves);
  for (size_t i = 0; i < leaves.size(); ++i) CHECK(gap(got2[i], want2[i]) < 2e-3);
}

TEST_CASE("a training step through scan and cond compiles to eager's bits", "[control]") {
  auto run = [](bool compile) {
    Rnn rnn;
    rnn.w.requires_grad_();
    auto step = [&](const Tensor& xs) {
      auto [h, sums] = rnn.with_scan(xs);
      Tensor loss = sum(h * h) + sum(sums * sums);
      Tensor g = grad(loss, rnn.w);
      NoGrad no_grad;
      Tensor norm = sqrt(sum(g * g));
      g = cond(norm > 1, [&] { return g / norm; }, [&] { return g; });
      rnn.w.sub_(g * 0.05);
      return loss.detach();
    };
    Jit f = jit(step, {"xs"}, {}, strict());
    Floats losses;
    for (uint32_t i = 0; i < 20; ++i) {
      Tensor xs = random_f32({static_cast<int64_t>(1 + i % 5), 4}, i);
      losses.push_back((compile ? f({&xs, 1})[0] : step(xs)).item<float>());
    }
    for (float v : rnn.w.to_vector<float>()) losses.push_back(v);
    if (compile) {
      CHECK(f.stats().replays > 10);
      CHECK(f.stats().fallbacks == 0);
      CHECK(f.stats().eager_because.empty());
    }
    return losses;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("random draws in a scan advance the generator once per step", "[control]") {
  Generator a(3), b(3);
  Tensor xs = random_f32({5, 2}, 1);
  auto noisy = [&](Generator& rng, const Tensor& h, const Tensor& x) {
    return h + x * randn({2}, rng);
  };
  Tensor h = scan(
                 [&](const Tensor& c, const Tensor& x) {
                   Tensor next = noisy(a, c, x);
                   return Pair(next, next);
                 },
                 zeros({2}), xs)
                 .first;
  Tensor want = zeros({2});
  for (int64_t i = 0; i < 5; ++i) want = noisy(b, want, xs.slice(0, i, i + 1).view({2}));
  CHECK(same_bits(h, want));
  CHECK(same_bits(a.state(), b.state()));
}

TEST_CASE("while_loop repeats until its condition ends it", "[control]") {
  // Halves until below 1, counting.
  auto f = [](const Tensor& x) {
    return while_loop([](const Pair& v) { return amax(v.first) > 1; },
                      [](const Pair& v) { return Pair(v.first / 2, v.second + 1); },
                      Pair(x, scalar_tensor(0, DType::I64)));
  };
  for (float start : {0.5F, 1.5F, 100.F, 1e6F}) {
    Tensor x = tensor<float>({start, 0.25F});
    float v = start;
    int64_t trips = 0;
    for (; v > 1; ++trips) v /= 2;
    auto [got, count] = f(x);
    CHECK(got.to_vector<float>()[0] == v);
    CHECK(count.item<int64_t>() == trips);
  }
  check_compiled([&](const Tensor& x) { return f(x).first; }, tensor<float>({3, 9}),
                 {tensor<float>({1e5, 2, 3}), tensor<float>({0.1F}), full({97}, 77.0)});
}

TEST_CASE("a bounded while_loop has gradients and refuses more trips", "[control]") {
  auto powers = [](const Tensor& x, double limit, int64_t most) {
    return while_loop([&](const Tensor& v) { return v < limit; },
                      [&](const Tensor& v) { return v * x; }, x, {.most = most});
  };
  Tensor x = scalar_tensor(1.5, DType::F64).requires_grad_();
  // 1.5^6 is the first power above 10.
  Tensor y = powers(x, 10, 8);
  CHECK(y.item<double>() == std::pow(1.5, 6));
  CHECK(grad(y, x).item<double>() == Approx(6 * std::pow(1.5, 5)));
  Tensor g = grad(powers(x, 10, 8), x, true);
  CHECK(grad(g, x).item<double>() == Approx(30 * std::pow(1.5, 4)));
  CHECK_THROWS_WITH(powers(x, 10, 4), Contains("after 4 trips") && Contains("control_test.cpp"));
  CHECK_THROWS_WITH(grad(powers(x, 10, 0), x), Contains("without a bound"));
}

TEST_CASE("a loop of no trips leaves no gradients, compiled neither", "[control]") {
  Tensor w = scalar_tensor(1.5, DType::F32).requires_grad_();
  Tensor v = scalar_tensor(1, DType::F32).requires_grad_();
  auto f = [&](const Tensor& x) {
    w.set_grad(Tensor());
    v.set_grad(Tensor());
    Tensor y = while_loop([](const Tensor& t) { return t < 10; },
                          [&](const Tensor& t) { return t * w; }, x * v, {.most = 20});
    y.backward();
    return y.detach();
  };
  Jit g = jit(f, {"x"});
  for (float start : {1.F, 20.F, 2.F, 30.F, 3.F, 40.F}) {
    Tensor x = scalar_tensor(start, DType::F32);
    CHECK(same_bits(g({&x, 1})[0], f(x)));
    const bool eager = w.grad().defined();
    g({&x, 1});
    CHECK(w.grad().defined() == eager);
    CHECK(eager == (start < 10));
    CHECK(v.grad().defined());
  }
  CHECK(g.stats().eager_because.empty());
}

TEST_CASE("gradients end inside a body where they end on the tape", "[control]") {
  Tensor w = tensor<float>({2, 3}).requires_grad_();
  Tensor x = tensor<float>({5, 7});
  auto body = [&] {
    Tensor y = w * x;
    Tensor scale = sum(y.detach());
    Tensor norm;
    {
      NoGrad no_grad;
      norm = sum(w * w);
    }
    return y * scale + w.detach() * x * norm + w * w.detach();
  };
  auto gradient = [&](const Tensor& y) { return grad(sum(y), w); };
  Tensor want = gradient(body());
  CHECK(same_bits(gradient(cond(sum(x) > 0, body, [&] { return x * w; })), want));
  // The detached handle alone: no gradient at all.
  Tensor none = cond(sum(x) > 0, [&] { return w.detach() * x; }, [&] { return x; });
  CHECK(!none.requires_grad());
  // A training step in a loop, which is under NoGrad in part.
  auto train = [&](const Tensor& xs) {
    return scan(
               [&](const Tensor& p, const Tensor& e) {
                 Tensor q = p.detach().requires_grad_();
                 Tensor g = grad(sum(q * q * e), q);
                 NoGrad no_grad;
                 return std::pair(q.detach() - g * 0.125, sum(g));
               },
               w.detach(), xs)
        .first;
  };
  auto square = custom_vjp([](std::span<const Tensor> in) { return in[0] * in[0]; },
                           [](std::span<const Tensor> in, const Tensor&, const Tensor& g) {
                             return std::vector<Tensor>{in[0] * g};
                           });
  CHECK_THROWS_WITH(cond(
                        sum(x) > 0, [&] { return square({&w, 1}) * 2; }, [&] { return w * 1; }),
                    Contains("custom_vjp"));
  Tensor p = w.detach().clone();
  for (float e : {1.F, 2.F, 0.5F}) p = p - p * 2 * e * 0.125;
  CHECK(train(tensor<float>({1, 2, 0.5})).to_vector<float>() == p.to_vector<float>());
}

TEST_CASE("control flow nests", "[control]") {
  auto f = [](const Tensor& xs) {
    return scan(
               [&](const Tensor& h, const Tensor& x) {
                 Tensor next = cond(
                     x > 0,
                     [&] {
                       return while_loop([&](const Tensor& v) { return v < 100; },
                                         [&](const Tensor& v) { return v * 2 + x; }, abs(h) + 1);
                     },
                     [&] { return h * x; });
                 return Pair(next, next - h);
               },
               scalar_tensor(1, DType::F32), xs)
        .second;
  };
  Tensor x = tensor<float>({1, -0.5, 3, 0, 2});
  float h = 1;
  Floats want;
  for (float v : x.to_vector<float>()) {
    float next = h * v;
    if (v > 0) {
      for (next = std::abs(h) + 1; next < 100;) next = next * 2 + v;
    }
    want.push_back(next - h);
    h = next;
  }
  CHECK(f(x).to_vector<float>() == want);
  check_compiled(f, x, {x, tensor<float>({2}), zeros({0}), random_f32({97}, 4)});
}

TEST_CASE("values inside a body cannot steer the host", "[control]") {
  Tensor x = tensor<float>({1, 2});
  auto run = [&](auto&& branch) {
    return error_of([&] { cond(sum(x) > 0, branch, [&] { return x; }); });
  };
  const std::string item = run([&] {
    Tensor y = x * 2;
    return sum(y).item<float>() > 1 ? y : x;
  });
  CHECK_THAT(item, Contains("host decides on a value inside") && Contains("control_test.cpp"));
  CHECK_THAT(run([&] { return x * static_cast<double>((x * 2).to_vector<float>()[0]); }),
             Contains("leaves the trace"));
}

TEST_CASE("what does not fit is an error with both types", "[control]") {
  Tensor x = tensor<float>({1, 2});
  CHECK_THROWS_WITH(cond(
                        x, [&] { return x; }, [&] { return x; }),
                    Contains("one bool of rank 0") && Contains("f32[2]"));
  auto traced = [&](auto&& no) {
    return error_of([&] {
      trace([&](const Tensor& v) { return cond(sum(v) > 0, [&] { return v; }, no); }, x);
    });
  };
  CHECK_THAT(traced([&] { return zeros({3}); }), Contains("f32[2]") && Contains("f32[3]"));
  CHECK_THROWS_WITH(while_loop([](const Tensor& v) { return sum(v) < 5; },
                               [](const Tensor& v) { return v.to(DType::F64); }, x),
                    Contains("carried value 0 is f32[2] and f64[2]"));
  CHECK_THROWS_WITH(scan([](const Tensor& h, const Tensor& e) { return Pair(h, e); }, x,
                         scalar_tensor(1, DType::F32)),
                    Contains("sequence 0 is one value"));
  CHECK_THROWS_WITH(scan([](const Tensor& h, const Pair& e) { return Pair(h, e.first); }, x,
                         Pair(zeros({3}), zeros({4}))),
                    Contains("lengths of the sequences"));
}

TEST_CASE("a program with control flow is saved, loaded and run", "[control]") {
  Rnn rnn;
  auto f = [&](const Tensor& xs) { return rnn.with_scan(xs).second; };
  TraceOptions options;
  options.dynamic = {{"x", 0, "N"}};
  Compiled compiled(trace(f, random_f32({3, 4}, 9), options), strict());
  const std::string path =
      (std::filesystem::temp_directory_path() / cat("etch-control-", getpid(), ".etch")).string();
  compiled.save(path);
  runtime::Artifact artifact = runtime::load_artifact(path);
  std::filesystem::remove(path);
  runtime::Program program = runtime::Program::build(artifact.graph);
  runtime::Context context(program);
  for (const Tensor& xs : rows({0, 1, 5, 97}, 4)) {
    CHECK(same_bits(program.run(artifact.state, context, {&xs, 1})[0], f(xs)));
  }
}
