// jit and what the host does around it: gradients, switches, handles, views. Every case compares
// with the same calls without jit.
#include <catch2/catch.hpp>

#include <cstring>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"

using namespace etch;
using Catch::Contains;

namespace {

Tensor call(Jit& f, const Tensor& x) { return f({&x, 1}).front(); }

Tensor ramp(int64_t n, float scale = 1) {
  std::vector<float> v;
  for (int64_t i = 0; i < n; ++i) v.push_back(scale * static_cast<float>(i + 1));
  return from_vector(v, {n});
}

using Floats = std::vector<float>;

}  // namespace

TEST_CASE("a captured tensor is the result itself, also when nothing else uses it", "[jit]") {
  Tensor w = ramp(2);
  Jit g = jit([&](const Tensor&) { return w; }, {"x"});
  for (int i = 0; i < 4; ++i) CHECK(call(g, ramp(1)).raw_data() == w.raw_data());
  CHECK(g.stats().replays == 2);
}

TEST_CASE("a detached parameter as a result stays detached", "[jit]") {
  Tensor w = ramp(2).requires_grad_();
  Jit g = jit([&](const Tensor&) { return w.detach(); }, {"x"});
  for (int i = 0; i < 4; ++i) {
    Tensor y = call(g, ramp(1));
    CHECK_FALSE(y.requires_grad());
    CHECK(y.raw_data() == w.raw_data());
  }
  CHECK(g.stats().replays == 2);
}

TEST_CASE("freezing a captured parameter is noticed", "[jit]") {
  Tensor w = ramp(2).requires_grad_();
  Jit g = jit(
      [&](const Tensor& x) {
        Tensor loss = sum(x * w);
        if (loss.requires_grad()) loss.backward();
        return loss.detach();
      },
      {"x"});
  for (bool on : {true, true, true, false, false, false, true, false}) {
    w.set_grad(Tensor());
    w.requires_grad_(on);
    call(g, ramp(2, 3));
    CHECK(w.grad().defined() == on);
  }
  CHECK(g.stats().leaves == 2);
  CHECK(g.stats().replays == 4);
}

TEST_CASE("gradients left from before a call are part of it", "[jit]") {
  // The host clears them before some calls; where it does not, they add up.
  for (bool jitted : {false, true}) {
    Tensor w = ramp(2).requires_grad_();
    auto f = [&](const Tensor& x) {
      sum(x * w).backward();
      return x + 1;
    };
    Jit g = jit(f, {"x"});
    Floats sums;
    for (bool clear : {true, true, true, true, false, false, true, true}) {
      if (clear) w.set_grad(Tensor());
      jitted ? call(g, ramp(2)) : f(ramp(2));
      sums.push_back(w.grad().to_vector<float>()[1]);
    }
    CHECK(sums == Floats{2, 2, 2, 2, 4, 6, 2, 2});
    if (jitted) CHECK(g.stats().replays > 0);
  }
}

TEST_CASE("gradients of inputs are left on the caller's tensors", "[jit]") {
  Jit g = jit(
      [](const Tensor& x) {
        sum(x * x).backward();
        return x.detach() * 1;
      },
      {"x"});
  for (int i = 1; i <= 4; ++i) {
    Tensor x = ramp(2, static_cast<float>(i)).requires_grad_();
    call(g, x);
    REQUIRE(x.grad().defined());
    CHECK(x.grad().to_vector<float>() == (x.detach() * 2).to_vector<float>());
  }
  CHECK(g.stats().replays == 2);
}

TEST_CASE("a parameter first seen through another handle keeps its gradient", "[jit]") {
  Tensor w = ramp(2).requires_grad_();
  Jit g = jit(
      [&](const Tensor& x) {
        Tensor scale = sum(w.detach());
        w.set_grad(Tensor());
        sum(x * w * scale).backward();
        return scale;
      },
      {"x"});
  for (int i = 1; i <= 4; ++i) {
    call(g, ramp(2, static_cast<float>(i)));
    CHECK(w.grad().to_vector<float>()[0] == 3 * static_cast<float>(i));
  }
  CHECK(g.stats().replays == 2);
}

TEST_CASE("gradients follow sizes that change, also of operands that they do not read", "[jit]") {
  Tensor w = ramp(1).requires_grad_();
  Jit g = jit(
      [&](const Tensor& x) {
        w.set_grad(Tensor());
        sum(w - x).backward();
        return grad(sum(concat({w + x, x})), w);
      },
      {"x"});
  for (int64_t n : {7, 6, 6, 4, 9}) {
    CHECK(call(g, ramp(n)).to_vector<float>() == Floats{static_cast<float>(n)});
    CHECK(w.grad().to_vector<float>() == Floats{static_cast<float>(n)});
  }
  CHECK(g.stats().replays == 2);
}

TEST_CASE("an input with gradients and a size that changes may be sliced", "[jit]") {
  Jit g = jit([](const Tensor& x) { return x.slice(0, 1, 3).detach() * 2; }, {"x"});
  for (int64_t n : {4, 5, 6, 7}) {
    Tensor x = ramp(n).requires_grad_();
    CHECK(call(g, x).to_vector<float>() == Floats{4, 6});
  }
  CHECK(g.stats().replays == 1);
}

TEST_CASE("a size of nothing to choose from is another course, also inside composites", "[jit]") {
  auto largest = [](const Tensor& x) { return amax(x, {0}); };
  auto inside = [](const Tensor& x) { return sum(softmax(x)); };
  for (const std::function<Tensor(const Tensor&)>& f :
       {std::function<Tensor(const Tensor&)>(largest),
        std::function<Tensor(const Tensor&)>(inside)}) {
    Jit g = jit(f, {"x"});
    for (int64_t n : {3, 4, 5, 6})
      CHECK(call(g, ramp(n)).item<float>() == f(ramp(n)).item<float>());
    CHECK(g.stats().replays == 1);
    CHECK_THROWS_WITH(f(ramp(0)), Contains("no elements"));
    CHECK_THROWS_WITH(call(g, ramp(0)), Contains("no elements"));
    call(g, ramp(7));
    CHECK(g.stats().replays == 2);
  }
}

TEST_CASE("an element that a size does not have is an error at that size", "[jit]") {
  for (int64_t index : {1, -2}) {
    Jit g = jit([&](const Tensor& x) { return x.select(0, index) * 2; }, {"x"});
    for (int64_t n : {3, 4, 5, 6}) {
      CHECK(call(g, ramp(n)).item<float>() == static_cast<float>(index > 0 ? 4 : 2 * n - 2));
    }
    CHECK(g.stats().replays == 1);
    CHECK_THROWS_WITH(call(g, ramp(1)), Contains("out of range for size 1"));
  }
}

TEST_CASE("what happens before an error happens in a replay too", "[jit]") {
  Tensor count = zeros({}).clone(), table = ramp(3);
  Jit g = jit(
      [&](const Tensor& i) {
        count.add_(scalar_tensor(1, DType::F32));
        return index_select(table, i);
      },
      {"i"});
  for (int64_t i : {0, 1, 2, 1}) call(g, tensor<int64_t>({i}));
  CHECK(g.stats().replays == 2);
  CHECK_THROWS_WITH(call(g, tensor<int64_t>({9})), Contains("out of range"));
  CHECK(count.item<float>() == 5);
  call(g, tensor<int64_t>({0}));
  CHECK(g.stats().replays == 3);
  CHECK(count.item<float>() == 6);
}

TEST_CASE("writes through several transposed and regrouped views stay where they belong", "[jit]") {
  auto f = [](const Tensor& x) {
    Tensor y = x * 1;
    y.t().select(0, 0).add_(x.select(0, 1));
    Tensor z = y + 1;
    y.t().reshape({9}).mul_(scalar_tensor(5, DType::F32));  // a copy, lost
    y.select(0, 0).mul_(scalar_tensor(3, DType::F32));
    Tensor copy = y.slice(1, 0, 2).reshape({6}), part = copy.slice(0, 1, 3);
    part.add_(scalar_tensor(7, DType::F32));
    return std::tuple(y, z, copy * 1, part * 2);
  };
  Jit g = jit(f, {"x"});
  for (float scale : {1.0F, 2.0F, 3.0F}) {
    Tensor x = ramp(9, scale).reshape({3, 3});
    std::vector<Tensor> got = g({&x, 1});
    auto [y, z, copy, part] = f(x);
    CHECK(got[0].to_vector<float>() == y.to_vector<float>());
    CHECK(got[1].to_vector<float>() == z.to_vector<float>());
    CHECK(got[2].to_vector<float>() == copy.to_vector<float>());
    CHECK(got[3].to_vector<float>() == part.to_vector<float>());
  }
  CHECK(g.stats().replays == 1);
}
