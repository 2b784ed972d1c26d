// Tracing: what is recorded, what is refused, and that replays equal eager.
#include <catch2/catch.hpp>

#include <cstring>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/optim.h"
#include "ir/graph.h"
#include "ir/verify.h"

using namespace etch;
using Catch::Contains;

namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * 4) == 0);
}

struct Mlp : nn::Module {
  std::shared_ptr<nn::Linear> first, second;
  explicit Mlp(Generator& rng) {
    first = add_module("first", std::make_shared<nn::Linear>(8, 16, rng));
    second = add_module("second", std::make_shared<nn::Linear>(16, 4, rng));
  }
  Tensor operator()(const Tensor& x) { return (*second)(relu((*first)(x))); }
};

}  // namespace

TEST_CASE("a traced network keeps names, scopes and lines, and its batch symbolic", "[trace]") {
  Generator rng(1);
  Mlp net(rng);
  TraceOptions options;
  options.state = net.state("net");
  options.dynamic = {{"x", 0, "N"}};
  Trace t = trace([&](const Tensor& x) { return softmax(net(x), 1); }, randn({5, 8}, rng), options);
  ir::verify(t.graph());
  std::string text = t.text();
  CHECK(text.find("net.first.weight") != std::string::npos);
  CHECK(text.find("f32[N, 4]") != std::string::npos);
  CHECK(text.find("trace_test.cpp") != std::string::npos);
  CHECK(t.state().size() == 4);
  for (CompileMode mode : {CompileMode::Interpret, CompileMode::Sync}) {
    CompileOptions how;
    how.mode = mode;
    Compiled f(t, how);
    for (int64_t n : {0, 1, 2, 7, 97}) {
      Tensor x = randn({n, 8}, rng);
      CHECK(same_bits(f(x), softmax(net(x), 1)));
    }
    if (mode == CompileMode::Sync) CHECK(f.stats().fallbacks == 0);
  }
}

TEST_CASE("a compiled network sees weights change, through operators and through pointers",
          "[trace]") {
  Generator rng(3);
  Mlp net(rng);
  TraceOptions options;
  options.state = net.state("net");
  Tensor x = randn({5, 8}, rng);
  Compiled f(trace(net, x, options));
  NoGrad no_grad;
  float* bias = net.first->bias.data<float>();
  float* weight = net.first->weight.data<float>();
  CHECK(same_bits(f(x), net(x)));
  net.first->weight.copy_(randn(net.first->weight.shape(), rng));
  CHECK(same_bits(f(x), net(x)));
  weight[3] = bias[0] = 7;
  CHECK(same_bits(f(x), net(x)));
  net.second->weight.data<float>()[3] = 7;
  CHECK(same_bits(f(x), net(x)));
}

TEST_CASE("a traced training step equals eager for SGD and Adam", "[trace]") {
  auto losses = [](bool traced, bool adam) {
    Generator rng(2);
    Mlp net(rng);
    std::unique_ptr<optim::Optimizer> opt;
    if (adam) {
      opt = std::make_unique<optim::Adam>(net.parameters(), 1e-2);
    } else {
      opt = std::make_unique<optim::SGD>(net.parameters(), 0.1, 0.9);
    }
    TraceOptions options;
    options.state = net.state();
    for (const NamedTensor& s : opt->state()) options.state.push_back(s);
    auto step = [&](const Tensor& x, const Tensor& y) {
      Tensor loss = cross_entropy(net(x), y);
      opt->zero_grad();
      loss.backward();
      opt->step();
      return loss.detach();
    };
    Jit compiled = jit(step, {"x", "y"}, options);
    std::vector<float> out;
    for (int i = 0; i < 30; ++i) {
      Tensor x = randn({6, 8}, rng);
      Tensor y = argmax(x, {1}) / 2;
      const Tensor in[] = {x, y.to(DType::I64)};
      out.push_back(traced ? compiled(in).front().item<float>() : step(in[0], in[1]).item<float>());
    }
    for (const NamedTensor& p : net.parameters()) {
      for (float v : p.tensor.to_vector<float>()) out.push_back(v);
    }
    return out;
  };
  for (bool adam : {false, true}) {
    std::vector<float> a = losses(false, adam), b = losses(true, adam);
    CHECK(std::memcmp(a.data(), b.data(), a.size() * 4) == 0);
    CHECK(a[29] < a[0]);
  }
}

TEST_CASE("whatever would be baked silently is refused with its line", "[trace]") {
  Generator rng(3);
  Tensor x = randn({5, 3}, rng);
  TraceOptions n;
  n.dynamic = {{"x", 0, "N"}};
  CHECK_THROWS_WITH(
      trace([](const Tensor& t) { return t * static_cast<double>(int64_t{t.size(0)}); }, x, n),
      Contains("dynamic size N") && Contains("trace_test.cpp:"));
  CHECK_THROWS_WITH(trace([](const Tensor& t) { return t.size(0) == 5 ? t : t * 2; }, x, n),
                    Contains("the comparison N == 5") && Contains("trace_test.cpp:"));
  CHECK_THROWS_WITH(trace(
                        [](const Tensor& t) {
                          Tensor y = t;
                          for (int64_t i = 0; i < t.size(0); ++i) y = y + 1;
                          return y;
                        },
                        x, n),
                    Contains("leaves one size only") && Contains("trace_test.cpp:"));
  CHECK_THROWS_WITH(
      trace([](const Tensor& t) { return t * static_cast<double>(t.sizes()[0]); }, x, n),
      Contains("dynamic size N"));
  CHECK_THROWS_WITH(
      trace(
          [](const Tensor& t) {
            float s = sum(t).item<float>();
            return t * s;
          },
          x),
      Contains("a floating number of a traced tensor") && Contains("trace_test.cpp:"));
  CHECK_THROWS_WITH(trace([](const Tensor& t) { return t + *t.data<float>(); }, x),
                    Contains("a data pointer of a traced tensor"));
  CHECK_THROWS_WITH(trace([](const Tensor& t) { return t + tensor<float>({1, 2, 3}); }, x),
                    Contains("made during the trace from host data"));
  CHECK_THROWS_WITH(trace([](Tensor t) { return t.add_(t); }, x),
                    Contains("input x is changed in place"));
  Tensor big = randn({200, 200}, rng);
  CHECK_THROWS_WITH(trace([&](const Tensor& t) { return t + sum(big); }, x),
                    Contains("160000 bytes"));
  // After any of these the thread is clean, and static sizes are plain numbers.
  Trace ok =
      trace([](const Tensor& t) { return t.reshape({t.size(1), -1}) * t.size(0).value(); }, x);
  CHECK(ok.graph().results().size() == 1);
}

TEST_CASE("two states of one name are an error", "[trace]") {
  Tensor a = tensor<float>({1}), b = tensor<float>({2}), x = tensor<float>({3});
  TraceOptions options;
  options.state = {{"s", a}, {"s", b}};
  auto f = [&](const Tensor& t) {
    NoGrad no_grad;
    b.add_(t);
    return t * a;
  };
  auto why = Contains("two different states are named s"), line = Contains("trace_test.cpp:");
  CHECK_THROWS_WITH(trace(f, x, options), why && line);
  CHECK_THROWS_WITH(jit(f, {"x"}, options)({&x, 1}), why && line);
  options.state = {{"s", a}, {"s", a}, {"t", b}};
  CHECK_NOTHROW(trace(f, x, options));  // one tensor may be named twice
}

TEST_CASE("a number read from a traced tensor stays symbolic in arithmetic", "[trace]") {
  Generator rng(4);
  Tensor x = randn({4, 3}, rng), other = randn({4, 3}, rng);
  auto f = [](const Tensor& t) { return t / amax(t).item<float>(); };
  Compiled g(trace(f, x));
  CHECK(same_bits(g(other), f(other)));
}

TEST_CASE("sizes stay symbolic through reshape, slice and mean", "[trace]") {
  Generator rng(5);
  TraceOptions n;
  n.dynamic = {{"x", 0, "N"}};
  auto f = [](const Tensor& t) {
    Tensor flat = t.reshape({t.size(0) * 2, -1});
    return mean(flat.slice(0, 1, INT64_MAX), {0}) + sum(t);
  };
  Compiled g(trace(f, randn({5, 6}, rng), n));
  for (int64_t rows : {1, 2, 3, 31}) {
    Tensor x = randn({rows, 6}, rng);
    CHECK(same_bits(g(x), f(x)));
  }
}

TEST_CASE("writes into views of state are recorded and come back", "[trace]") {
  Generator rng(6);
  Tensor table = randn({4, 3}, rng), again = table.clone();
  TraceOptions options;
  options.state = {{"table", table}};
  auto f = [](Tensor& t, const Tensor& x) {
    NoGrad no_grad;
    Tensor row = t.select(0, 2), column = t.slice(1, 0, 1);
    row.add_(x);
    column.mul_(scalar_tensor(2, DType::F32));
    return row + sum(t);
  };
  Tensor x = randn({3}, rng), first = table.clone();
  Trace t = trace([&](const Tensor& v) { return f(table, v); }, x, options);
  f(again, x);
  CHECK(same_bits(table, again));
  Compiled g(t);
  Tensor want = f(again, x), got = g(x);
  CHECK(same_bits(want, got));
  CHECK(same_bits(table, again));
}

TEST_CASE("jit records again for another dtype, rank or static size", "[trace]") {
  Jit f = jit([](const Tensor& x) { return sum(x * 2); }, {"x"});
  Generator rng(7);
  for (auto sizes : {std::vector<int64_t>{3}, {3}, {4}, {2, 2}, {3}}) {
    Tensor x = randn(sizes, rng);
    CHECK(same_bits(f({{x}}).front(), sum(x * 2)));
  }
  CHECK(f.stats().leaves == 3);
}

TEST_CASE("trace runs the function again and finds what the recording does not know of",
          "[trace]") {
  Generator rng(8);
  Tensor x = randn({4, 3}, rng);
  int counter = 0;
  CHECK_THROWS_WITH(
      trace([&](const Tensor& t) { return t * static_cast<double>(++counter); }, x),
      Contains("same inputs") && Contains("trace_test.cpp:") && Contains("etch::input"));
  // A number that was only meant for printing, baked in.
  CHECK_THROWS_WITH(
      trace([](const Tensor& t) { return t * static_cast<double>(amax(t).item<float>().peek()); },
            x),
      Contains("other values") && Contains("trace_test.cpp:"));
  TraceOptions quiet;
  quiet.check = false;
  CHECK_NOTHROW(
      trace([&](const Tensor& t) { return t * static_cast<double>(++counter); }, x, quiet));
  // State, gradients and random position are as after one run.
  Mlp net(rng);
  optim::SGD sgd(net.parameters(), 0.1);
  TraceOptions options;
  options.state = net.state();
  for (const NamedTensor& s : sgd.state()) options.state.push_back(s);
  options.state.push_back({"rng", rng.state()});
  auto step = [&](const Tensor& t) {
    Tensor loss = sum(net(t) * rand({4, 4}, rng));
    sgd.zero_grad();
    loss.backward();
    sgd.step();
    return loss.detach();
  };
  Tensor in = randn({4, 8}, rng);
  std::vector<NamedTensor> start;
  for (const NamedTensor& s : options.state) start.push_back({s.name, s.tensor.clone()});
  Trace t = trace(step, in, options);
  std::vector<std::vector<float>> after;
  for (const NamedTensor& p : net.parameters()) {
    after.push_back(p.tensor.to_vector<float>());
    after.push_back(p.tensor.grad().to_vector<float>());
  }
  {
    NoGrad no_grad;
    for (size_t i = 0; i < start.size(); ++i)
      Tensor(options.state[i].tensor).copy_(start[i].tensor);
  }
  CHECK(same_bits(step(in), t.example_results()[0]));
  size_t k = 0;
  for (const NamedTensor& p : net.parameters()) {
    CHECK(after[k++] == p.tensor.to_vector<float>());
    CHECK(after[k++] == p.tensor.grad().to_vector<float>());
  }
}

TEST_CASE("a report names captures, guards, sizes and draws with their lines", "[trace]") {
  Generator rng(9);
  Tensor table = randn({2, 3}, rng), total = zeros({}).clone();
  TraceOptions options;
  options.dynamic = {{"x", 0, "N", 1, 64}};
  options.state = {{"total", total}, {"rng", rng.state()}};
  TraceReport report = trace(
                           [&](const Tensor& x) {
                             Tensor y = x.size(0) > 2 ? x + sum(table) : x;
                             total.add_(sum(y));
                             if (total.item<float>() != 1e9F) y = y * 2;
                             return y + rand({3}, rng);
                           },
                           randn({4, 3}, rng), options)
                           .report();
  REQUIRE(report.sizes.size() == 2);
  CHECK(report.sizes[0].size == "N, 1 to 64");
  CHECK(report.sizes[0].reason.empty());
  CHECK_FALSE(report.sizes[1].reason.empty());
  REQUIRE(report.captured.size() == 3);
  CHECK(report.captured[0].name.empty());
  CHECK(report.captured[0].bytes == 24);
  CHECK(report.captured[1].name == "total");
  CHECK(report.captured[1].written);
  CHECK(report.captured[2].type == "u64[2]");
  REQUIRE(report.guards.size() == 2);
  CHECK(report.guards[0].what == "ne(add, 1e+09) = 1");
  CHECK(report.guards[1].what == "2 < N");
  REQUIRE(report.draws.size() == 1);
  for (const std::string& where : {report.captured[0].where, report.guards[0].where,
                                   report.guards[1].where, report.draws[0].where}) {
    CHECK_THAT(where, Contains("trace_test.cpp:"));
  }
  CHECK_THAT(report.text(), Contains("guards") && Contains("random draws") && Contains("changed"));
}
