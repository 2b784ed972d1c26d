// jit: guards make a tree, nothing is committed before the last guard, and what cannot be followed
// stays eager. Every case runs the function beside a plain eager twin and compares bits.
#include <catch2/catch.hpp>

#include <cstring>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/optim.h"

using namespace etch;
using Catch::Contains;

namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  return std::ranges::equal(a.sizes(), b.sizes()) &&
         (x.empty() || std::memcmp(x.data(), y.data(), x.size() * 4) == 0);
}

Tensor call(Jit& f, const Tensor& x) { return f({&x, 1}).front(); }

Tensor ramp(int64_t n, float scale = 1) {
  std::vector<float> v;
  for (int64_t i = 0; i < n; ++i) v.push_back(scale * static_cast<float>(i + 1));
  return from_vector(v, {n});
}

}  // namespace

TEST_CASE("a branch on a value takes the course that the value asks for", "[jit]") {
  int real_runs = 0;
  auto f = [&](const Tensor& x) {
    ++real_runs;
    if (sum(x).item<float>() > 0) return x * 2;
    return x - 1;
  };
  Jit g = jit(f, {"x"});
  for (float scale : {1.0F, 2.0F, -1.0F, 3.0F, -2.0F, -3.0F, 4.0F, -5.0F}) {
    Tensor x = ramp(4, scale);
    CHECK(same_bits(call(g, x), f(x)));
  }
  JitStats s = g.stats();
  CHECK(s.leaves == 2);
  CHECK(s.compiled == 2);
  CHECK(s.recordings == 4);  // each course twice
  CHECK(s.replays == 4);
  CHECK(s.fallbacks == 0);
  CHECK(real_runs == 8 + 4);
}

TEST_CASE("literals in comparisons decide as C++ decides", "[jit]") {
  // 0.1f == 0.1 is false in C++, and would be true in f32.
  auto f = [](const Tensor& x) { return x.item<float>() == 0.1 ? x + 1 : x + 2; };
  Jit g = jit(f, {"x"});
  for (int i = 0; i < 3; ++i) {
    Tensor x = scalar_tensor(0.1F, DType::F32);
    CHECK(same_bits(call(g, x), f(x)));
  }
  auto h = [](const Tensor& x) {
    Traced<int64_t> n = sum(x.to(DType::I64)).item<int64_t>();
    if (n / 2 * 2 == n && -n < -3) return x * 2;
    return n % 2 == 0 ? x : -x;
  };
  Jit k = jit(h, {"x"});
  for (int64_t n : {1, 2, 3, 1, 2, 3, 1, 2, 3, 4}) CHECK(same_bits(call(k, ramp(n)), h(ramp(n))));
}

TEST_CASE("a replay that misses its guard has changed nothing", "[jit]") {
  // The guard lies behind an optimizer step, batch-norm statistics, a dropout and an add_.
  auto make = [](bool jitted) {
    auto rng = std::make_shared<Generator>(3);
    auto net = std::make_shared<nn::Sequential>(std::initializer_list<std::shared_ptr<nn::Layer>>{
        std::make_shared<nn::Conv2d>(1, 2, 3, *rng), std::make_shared<nn::BatchNorm2d>(2),
        std::make_shared<nn::Dropout>(0.5, *rng)});
    auto sgd = std::make_shared<optim::SGD>(net->parameters(), 0.002, 0.9);
    Tensor steps = zeros({}, DType::F32).clone();
    auto f = [=](const Tensor& x) mutable {
      Tensor y = (*net)(x);
      Tensor loss = sum(y * y);
      sgd->zero_grad();
      loss.backward();
      sgd->step();
      steps.add_(scalar_tensor(1, DType::F32));
      if (steps.item<float>() >= 4) steps.fill_(0);
      if (loss.item<float>() > 30) return loss.detach() + steps;
      return loss.detach() - steps;
    };
    std::vector<float> trace;
    Jit g = jit(f, {"x"});
    Generator data(9);
    for (int i = 0; i < 40; ++i) {
      Tensor x = randn({2, 1, 5, 5}, data) * (i % 3 == 0 ? 2.0 : 1.0);
      Tensor y = jitted ? call(g, x) : f(x);
      trace.push_back(y.item<float>());
      trace.push_back(steps.item<float>());
      for (const NamedTensor& s : net->state()) {
        for (float v : s.tensor.to_vector<float>()) trace.push_back(v);
      }
      for (const NamedTensor& p : net->parameters()) {
        for (float v : p.tensor.grad().to_vector<float>()) trace.push_back(v);
      }
    }
    if (jitted) {
      JitStats s = g.stats();
      INFO(s.eager_because);
      CHECK(s.eager_because.empty());
      CHECK(s.replays > 10);
      CHECK(s.misses > 5);
      CHECK(s.leaves >= 3);
      CHECK(s.fallbacks == 0);
    }
    return trace;
  };
  std::vector<float> eager = make(false), jitted = make(true);
  REQUIRE(eager.size() == jitted.size());
  size_t first = 0;
  while (first < eager.size() && std::memcmp(&eager[first], &jitted[first], 4) == 0) ++first;
  CHECK(first == eager.size());
}

TEST_CASE("a size seen to change becomes a symbol: a thousand sizes, one compilation a branch",
          "[jit]") {
  auto f = [](const Tensor& x) {
    Tensor y = x.reshape({x.size(0), 3});
    return x.size(0) > 100 ? sum(y * 2, {0}) : mean(y, {0}, true);
  };
  Jit g = jit(f, {"x"});
  Generator rng(1);
  for (int i = 0; i < 1000; ++i) {
    const int64_t n = 2 + (i * 37) % 211;
    Tensor x = randn({n, 3}, rng);
    CHECK(same_bits(call(g, x), f(x)));
  }
  for (int64_t n : {1, 0, 1, 0, 1}) CHECK(same_bits(call(g, ones({n, 3})), f(ones({n, 3}))));
  JitStats s = g.stats();
  CHECK(s.compiled == 2);
  CHECK(s.recordings == 5);  // one with a fixed size, and two of each branch
  CHECK(s.eager_because.empty());
}

TEST_CASE("a loop over a size is right at every length", "[jit]") {
  auto f = [](const Tensor& x) {
    Tensor y = zeros({3});
    for (int64_t i = 0; i < x.size(0); ++i) y = y + x.select(0, i) * static_cast<double>(i + 1);
    return y;
  };
  JitOptions options;
  std::vector<std::string> reasons;
  options.on_event = [&](const JitEvent& e) {
    if (e.kind == JitEventKind::Eager) reasons.push_back(e.reason);
  };
  Jit g = jit(f, {"x"}, {}, {}, options);
  Generator rng(2);
  for (int i = 0; i < 60; ++i) {
    Tensor x = randn({i % 12, 3}, rng);
    CHECK(same_bits(call(g, x), f(x)));
  }
  // A function that fixes the size each time is told so, instead of growing a leaf for each.
  if (!reasons.empty()) CHECK_THAT(reasons[0], Contains("raw integer") && Contains("jit_test.cpp"));
}

TEST_CASE("inputs that always agree share a symbol, and part when they stop agreeing", "[jit]") {
  Jit g = jit([](const Tensor& a, const Tensor& b) { return sum(a) + b; }, {"a", "b"});
  for (auto [n, m] : {std::pair{3, 3}, {4, 4}, {5, 5}, {6, 6}, {6, 7}, {8, 9}, {10, 11}, {5, 5}}) {
    const Tensor in[] = {ramp(n), ramp(m)};
    CHECK(same_bits(g(in).front(), sum(in[0]) + in[1]));
  }
  CHECK(g.stats().eager_because.empty());
}

TEST_CASE("captured tensors are read anew at each call and written in place", "[jit]") {
  Tensor scale = scalar_tensor(2, DType::F32).clone(), count = zeros({2}).clone();
  Jit g = jit(
      [&](const Tensor& x) {
        count.add_(x);
        return count * scale;
      },
      {"x"});
  std::vector<float> want = {0, 0};
  for (int i = 0; i < 6; ++i) {
    if (i == 4) scale.fill_(10);
    Tensor x = tensor<float>({1, static_cast<float>(i)});
    want[0] += 1;
    want[1] += static_cast<float>(i);
    const float s = i >= 4 ? 10 : 2;
    CHECK(call(g, x).to_vector<float>() == std::vector<float>{want[0] * s, want[1] * s});
    CHECK(count.to_vector<float>() == want);
  }
  CHECK(g.stats().replays == 4);
}

TEST_CASE("what changes between runs without a guard keeps the function eager, with the line",
          "[jit]") {
  int counter = 0;
  auto f = [&](const Tensor& x) { return x * static_cast<double>(++counter); };
  Jit g = jit(f, {"x"});
  for (int i = 1; i <= 5; ++i) {
    CHECK(call(g, ramp(2)).to_vector<float>() ==
          std::vector<float>{static_cast<float>(i), 2.0F * static_cast<float>(i)});
  }
  CHECK_THAT(g.stats().eager_because, Contains("two runs differ") && Contains("etch::input"));
  CHECK(g.stats().eager_calls == 3);

  // The same number through input() is read again at each call.
  float rate = 1;
  Jit h = jit([&](const Tensor& x) { return x * input(rate, "rate"); }, {"x"});
  for (int i = 1; i <= 5; ++i) {
    rate = static_cast<float>(i) * 0.5F;
    CHECK(call(h, ramp(1)).item<float>() == rate);
  }
  CHECK(h.stats().eager_because.empty());
  CHECK(h.stats().replays == 3);

  // A captured handle that is given another tensor.
  Tensor w = ramp(2);
  Jit k = jit([&](const Tensor& x) { return w = w + x; }, {"x"});
  Tensor again = ramp(2);
  for (int i = 0; i < 5; ++i) {
    again = again + ramp(2);
    CHECK(same_bits(call(k, ramp(2)), again));
  }
  CHECK_FALSE(k.stats().eager_because.empty());
}

TEST_CASE("a counter that changes late is found by recheck", "[jit]") {
  double factor = 1;
  JitOptions options;
  options.recheck = 4;
  Jit g = jit([&](const Tensor& x) { return x * factor; }, {"x"}, {}, {}, options);
  for (int i = 0; i < 3; ++i) call(g, ramp(2));
  factor = 3;
  call(g, ramp(2));
  CHECK_THAT(g.stats().eager_because, Contains("two runs differ"));
}

TEST_CASE("raw floating numbers, pointers, host data and written inputs stay eager", "[jit]") {
  const std::pair<std::function<Tensor(const Tensor&)>, const char*> cases[] = {
      {[](const Tensor& x) { return x * static_cast<double>(float{sum(x).item<float>()}); },
       "floating number"},
      {[](const Tensor& x) { return x * static_cast<double>(*x.data<float>()); }, "data pointer"},
      {[](const Tensor& x) { return x * static_cast<double>(x.to_vector<float>()[0]); }, "copy"},
      {[](const Tensor& x) { return x + tensor<float>({1, 2, 3}); }, "host data"},
      {[](Tensor x) { return x.add_(x) * 1; }, "changed in place"},
      {[](const Tensor& x) { return x.slice(0, 1, 3); }, "view of an input"},
  };
  for (const auto& [f, why] : cases) {
    Jit g = jit(f, {"x"});
    for (float scale : {1.0F, -2.0F, 3.0F}) {
      Tensor x = ramp(3, scale), y = x.clone();
      CHECK(same_bits(call(g, x), f(y)));
      CHECK(same_bits(x, y));
    }
    CHECK_THAT(g.stats().eager_because, Contains(why));
  }
}

TEST_CASE("results that take part in gradients keep the function eager", "[jit]") {
  Tensor w = ramp(3).requires_grad_();
  Jit g = jit([&](const Tensor& x) { return sum(x * w); }, {"x"});
  for (int i = 1; i <= 3; ++i) {
    call(g, ramp(3)).backward();
    CHECK(w.grad().to_vector<float>()[2] == static_cast<float>(3 * i));
  }
  CHECK_THAT(g.stats().eager_because, Contains("gradients"));
}

TEST_CASE("results that are inputs or captured tensors stay them", "[jit]") {
  Tensor total = zeros({3}).clone();
  Jit g = jit(
      [&](const Tensor& x) {
        total.add_(x);
        return std::tuple(x, total, x + 1);
      },
      {"x"});
  for (int i = 0; i < 4; ++i) {
    Tensor x = ramp(3);
    std::vector<Tensor> y = g({&x, 1});
    CHECK(y[0].raw_data() == x.raw_data());
    CHECK(y[1].raw_data() == total.raw_data());
    CHECK(y[2].raw_data() != x.raw_data());
  }
  CHECK(total.to_vector<float>() == std::vector<float>{4, 8, 12});
  CHECK(g.stats().replays == 2);
}

TEST_CASE("the same tensor passed twice is two inputs", "[jit]") {
  Jit g = jit([](const Tensor& a, const Tensor& b) { return a - b * 2; }, {"a", "b"});
  Tensor x = ramp(3), y = ramp(3, 5);
  for (int i = 0; i < 2; ++i) {
    const Tensor same[] = {x, x}, other[] = {x, y};
    CHECK(same_bits(g(same).front(), x - x * 2));
    CHECK(same_bits(g(other).front(), x - y * 2));
  }
  CHECK(g.stats().leaves == 1);
}

TEST_CASE("a module's training switch is part of the course", "[jit]") {
  Generator rng(4);
  nn::Dropout drop(0.5, rng);
  Jit g = jit([&](const Tensor& x) { return drop(x); }, {"x"});
  for (bool training : {true, true, true, false, false, false, true, false}) {
    drop.train(training);
    Tensor y = call(g, ones({64}));
    CHECK(same_bits(y, ones({64})) == !training);
  }
  CHECK(g.stats().leaves == 2);
  CHECK(g.stats().replays == 4);
}

TEST_CASE("a raw integer that keeps changing ends jitting with its line", "[jit]") {
  auto f = [](const Tensor& x) {
    int64_t n = sum(x.to(DType::I64)).item<int64_t>();
    return x * static_cast<double>(n);
  };
  Jit g = jit(f, {"x"});
  for (int i = 0; i < 14; ++i) {
    Tensor x = ramp(2, static_cast<float>(i));
    CHECK(same_bits(call(g, x), f(x)));
  }
  CHECK_THAT(g.stats().eager_because, Contains("raw integer") && Contains("jit_test.cpp"));
}

TEST_CASE("the budget is an event, not silence", "[jit]") {
  std::vector<std::string> over;
  JitOptions options;
  options.budget = 2;
  options.on_event = [&](const JitEvent& e) {
    if (e.kind == JitEventKind::Budget) over.push_back(e.reason);
  };
  auto f = [](const Tensor& x) {
    Traced<float> s = sum(x).item<float>();
    if (s > 10) return x;
    if (s > 5) return x * 2;
    return s > 0 ? x * 3 : x * 4;
  };
  Jit g = jit([&](const Tensor& x) { return f(x) + 0; }, {"x"}, {}, {}, options);
  for (int round = 0; round < 3; ++round) {
    for (float scale : {6.0F, 3.0F, 1.0F, -1.0F}) {
      Tensor x = ramp(2, scale);
      CHECK(same_bits(call(g, x), f(x) + 0));
    }
  }
  CHECK(g.stats().leaves == 2);
  CHECK(g.stats().eager_because.empty());
  REQUIRE_FALSE(over.empty());
  CHECK_THAT(over[0], Contains("2 courses") && Contains("jit_test.cpp"));
}

TEST_CASE("NoRetrace names the guard, its line and both values", "[jit]") {
  Jit g = jit([](const Tensor& x) { return sum(x).item<float>() > 0 ? x * 2 : x * 3; }, {"x"});
  for (int i = 0; i < 2; ++i) call(g, ramp(2));
  NoRetrace strict;
  CHECK(call(g, ramp(2, 4)).to_vector<float>() == std::vector<float>{8, 16});
  CHECK_THROWS_WITH(call(g, ramp(2, -1)),
                    Contains("gt(sum, 0)") && Contains("was 1, is 0") && Contains("jit_test.cpp"));
  CHECK_THAT(g.explain_last_miss(), Contains("gt(sum, 0)"));
  CHECK_THROWS_WITH(call(g, ramp(3)), Contains("axis 0 of input x was 2, is 3"));
  CHECK_THROWS_WITH(call(g, ramp(2).to(DType::F64)), Contains("was f32[2], is f64[2]"));
}

TEST_CASE("a jit function inside a recording is part of it", "[jit]") {
  Jit inner = jit([](const Tensor& x) { return x * 2; }, {"x"});
  auto f = [&](const Tensor& x) { return call(inner, x) + 1; };
  Jit outer = jit(f, {"x"});
  for (int i = 0; i < 4; ++i) CHECK(same_bits(call(outer, ramp(3)), ramp(3) * 2 + 1));
  CHECK(outer.stats().replays == 2);
  Compiled traced(trace(f, ramp(3)));
  CHECK(same_bits(traced(ramp(3, 7)), ramp(3, 7) * 2 + 1));
}

TEST_CASE("an exception leaves nothing behind, and the next call works", "[jit]") {
  bool angry = true;
  Tensor total = zeros({2}).clone();
  Jit g = jit(
      [&](const Tensor& x) {
        total.add_(x);
        if (angry) throw std::runtime_error("not today");
        return total * 1;
      },
      {"x"});
  CHECK_THROWS_WITH(call(g, ramp(2)), "not today");
  angry = false;
  for (int i = 2; i < 6; ++i) {
    CHECK(call(g, ramp(2)).to_vector<float>()[0] == static_cast<float>(i));
  }
  CHECK(g.stats().replays == 2);
}

TEST_CASE("a trace may branch on values and sizes; its program checks them", "[trace]") {
  TraceOptions n;
  n.dynamic = {{"x", 0, "N"}};
  auto f = [](const Tensor& x) {
    Tensor y = x.size(0) > 3 ? x * 2 : x;
    return sum(y).item<float>() > 0 ? y + 1 : y - 1;
  };
  Trace t = trace(f, ramp(5), n);
  Compiled g(t);
  CHECK(same_bits(g(ramp(9)), f(ramp(9))));
  CHECK_THROWS_WITH(g(ramp(2)), Contains("N") && Contains("jit_test.cpp"));
  CHECK_THROWS_WITH(g(ramp(9, -1)),
                    Contains("gt(sum, 0) = 1, now it is 0") && Contains("jit_test.cpp"));
  CHECK(same_bits(g(ramp(9)), f(ramp(9))));
}
