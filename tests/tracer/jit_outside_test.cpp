// jit and what the host does around the recorded operators: gradients that it keeps, pointers,
// errors that it catches, memory that it shares. Every case runs beside an eager twin.
#include <catch2/catch.hpp>

#include <thread>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/optim.h"

using namespace etch;
using Catch::Contains;

namespace {

Tensor call(Jit& f, const Tensor& x) { return f({&x, 1}).front(); }
std::vector<float> values(const Tensor& t) { return t.to_vector<float>(); }
Tensor ramp(SizeArgs sizes, double scale = 1) {
  Tensor flat = arange(shape_numel(sizes.shape()), DType::F32) + 1;
  return (flat * scale).reshape(sizes).clone();
}

}  // namespace

TEST_CASE("a buffer that took over a view is not followed through it", "[jit]") {
  auto f = [](const Tensor& x) {
    Tensor y = x.clone();
    y.t().copy_(x);
    Tensor turned = y.t();
    y.copy_(turned);
    Tensor flat = y.t().reshape({9});  // a copy
    flat.slice(0, 0, 3).mul_(scalar_tensor(3, DType::F32));
    y.slice(0, 0, 2).copy_(y.t().slice(0, 1, 3));
    return std::tuple(y + turned, flat);
  };
  Jit g = jit(f, {"x"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({3, 3}, i);
    std::vector<Tensor> got = g({&x, 1});
    CHECK(values(got[0]) == values(std::get<0>(f(x))));
    CHECK(values(got[1]) == values(std::get<1>(f(x))));
  }
  CHECK(g.stats().replays == 2);
}

TEST_CASE("an error that the function catches is a branch that nobody guards", "[jit]") {
  Tensor w = ramp({3});
  auto f = [&](const Tensor& x) {
    try {
      return x * w;
    } catch (const UserError&) {
      return x * 2;
    }
  };
  Jit g = jit(f, {"x"});
  for (int64_t n : {3, 3, 4, 4, 5, 1, 3}) CHECK(values(call(g, ramp({n}))) == values(f(ramp({n}))));
  CHECK_THAT(g.stats().eager_because, Contains("caught"));
}

TEST_CASE("what the function does before an error is done, in replays too", "[jit]") {
  Tensor calls = zeros({}).clone(), x = ramp({3});
  Jit g = jit(
      [&](const Tensor& at) {
        calls.add_(scalar_tensor(1, DType::F32));
        return index_select(x, at, 0);
      },
      {"at"});
  for (int i = 0; i < 6; ++i) {
    Tensor at = tensor<int64_t>({i == 4 ? 7 : 1});
    if (i == 4) {
      CHECK_THROWS_WITH(g({&at, 1}), Contains("jit_outside_test.cpp"));
    } else {
      g({&at, 1});
    }
    CHECK(calls.item<float>() == static_cast<float>(i + 1));
  }
  CHECK(g.stats().replays == 3);
}

TEST_CASE("gradients that are there before a call decide its course", "[jit]") {
  Tensor w = ramp({2}).requires_grad_(), other = ramp({2}).requires_grad_();
  Tensor again = ramp({2}).requires_grad_();
  optim::SGD sgd({{"other", other}}, 0.1);
  auto step = [&](Tensor& p, const Tensor& x) {
    Tensor loss = sum(p * p * x);
    loss.backward();
    return loss.detach();
  };
  Jit g = jit(
      [&](const Tensor& x) {
        sgd.zero_grad();  // of a parameter that nothing else looks at
        return step(w, x);
      },
      {"x"});
  for (int i = 1; i < 8; ++i) {
    if (i < 5) w.set_grad({}), again.set_grad({});
    sum(other).backward();
    call(g, ramp({2}, i));
    step(again, ramp({2}, i));
    CHECK(values(w.grad()) == values(again.grad()));
    CHECK_FALSE(other.grad().defined());
  }
  CHECK(g.stats().replays == 2);
}

TEST_CASE("whether a captured tensor takes part in gradients is guarded", "[jit]") {
  Tensor w = ramp({2}).clone();
  Jit g = jit([&](const Tensor& x) { return w.requires_grad() ? x * 2 : x - 1; }, {"x"});
  for (int i = 0; i < 9; ++i) {
    w.requires_grad_(i > 2 && i < 6);
    CHECK(call(g, ramp({1})).item<float>() == (i > 2 && i < 6 ? 2.0F : 0.0F));
  }
  CHECK(g.stats().leaves == 2);
  CHECK(g.stats().replays == 5);

  Jit h = jit(
      [&](const Tensor& x) {
        w.requires_grad_(!w.requires_grad());
        return x * 2;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) {
    const bool before = w.requires_grad();
    call(h, ramp({1}));
    CHECK(w.requires_grad() != before);
  }
}

TEST_CASE("gradients of inputs and values with gradients in captured tensors stay eager", "[jit]") {
  Jit g = jit(
      [](const Tensor& x) {
        sum(x * x).backward();
        return x.detach() * 2;
      },
      {"x"});
  Tensor w = ramp({2}).requires_grad_(), h = zeros({2}).clone();
  Jit k = jit(
      [&](const Tensor& x) {
        h.copy_(x * w);
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({2}, i).requires_grad_();
    call(g, x);
    CHECK(values(x.grad())[0] == 2.0F * static_cast<float>(i));
    call(k, ramp({2}, i));
    w.set_grad({});
    sum(h).backward();
    CHECK(values(w.grad())[0] == static_cast<float>(i));
  }
}

TEST_CASE("a write that the recorder does not see keeps the function eager", "[jit]") {
  Tensor total = zeros({1}).clone();
  TraceOptions options;
  options.state = {{"total", total}};
  Compiled add_one(trace(
      [&](const Tensor& x) {
        total.add_(x);
        return x * 1;
      },
      ones({1}), options));
  total.fill_(0);
  Jit g = jit(
      [&](const Tensor& x) {
        Tensor before = total * x;
        add_one(ones({1}));
        return total * x - before;
      },
      {"x"});
  Jit h = jit(
      [&](const Tensor& x) {
        Tensor before = total * x;
        std::thread([&] { total.add_(ones({1})); }).join();
        return total * x - before;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) {
    CHECK(call(g, ones({1})).item<float>() == 1);
    CHECK(call(h, ones({1})).item<float>() == 1);
  }
  CHECK(total.item<float>() == 10);
  CHECK_THAT(g.stats().eager_because, Contains("compiled program"));
  CHECK_THAT(h.stats().eager_because, Contains("not part of it"));
}

TEST_CASE("an input that shares memory with what the function changes is not replayed", "[jit]") {
  Tensor w = ramp({2}).clone(), again = w.clone();
  auto f = [](Tensor& state, const Tensor& x) {
    state.add_(x);
    return x * 2;
  };
  Jit g = jit([&](const Tensor& x) { return f(w, x); }, {"x"});
  for (int i = 0; i < 6; ++i) {
    Tensor x = ramp({2}, i);
    CHECK(values(i < 3 ? call(g, x) : call(g, w)) == values(f(again, i < 3 ? x : again)));
    CHECK(values(w) == values(again));
  }
  CHECK(g.stats().replays == 1);
}

TEST_CASE("memory that the host may write through a pointer is read anew", "[jit]") {
  Generator rng(1);
  nn::Linear net(64, 64, rng);
  float* raw = net.weight.data<float>();
  auto f = [&](const Tensor& x) {
    NoGrad no_grad;
    return net(x);
  };
  Jit g = jit(f, {"x"});
  Tensor x = ramp({16, 64}, 0.01);
  for (int i = 0; i < 5; ++i) {
    raw[5] = static_cast<float>(i);
    CHECK(values(call(g, x)) == values(f(x)));
  }
  CHECK(g.stats().replays == 3);
}

TEST_CASE("strides decide between courses, or keep the function eager", "[jit]") {
  auto add = [](const Tensor& x) {
    Tensor flat = x.reshape({6});
    flat.add_(scalar_tensor(1, DType::F32));
    return flat * 2;
  };
  auto dense = [](const Tensor& x) { return x.is_contiguous() ? x * 2 : x * 3; };
  auto number = [](const Tensor& x) { return x * static_cast<double>(x.strides()[0]); };
  Jit g = jit(add, {"x"}), h = jit(dense, {"x"}), k = jit(number, {"x"});
  for (int i = 0; i < 8; ++i) {
    auto make = [&] { return i < 4 ? ramp({3, 2}, i).t() : ramp({2, 3}, i); };
    Tensor x = make(), y = make();
    CHECK(values(call(g, x)) == values(add(y)));
    CHECK(values(x) == values(y));
    CHECK(values(call(h, x)) == values(dense(x)));
    CHECK(values(call(k, x)) == values(number(x)));
  }
  CHECK(h.stats().leaves == 2);
  CHECK_FALSE(k.stats().eager_because.empty());
}

TEST_CASE("a function that calls itself with one tensor twice does not wait for itself", "[jit]") {
  Jit* self = nullptr;
  Jit g = jit(
      [&](const Tensor& a, const Tensor& b) {
        if (a.size(0) == 1) return (a + b).detach();
        const Tensor in[] = {a.slice(0, 0, 1), b.slice(0, 0, 1)};
        return (*self)(std::span<const Tensor>(in))[0] * 2;
      },
      {"a", "b"});
  self = &g;
  Tensor x = ramp({2}).requires_grad_();
  const Tensor in[] = {x, x};
  CHECK(g(std::span<const Tensor>(in))[0].item<float>() == 4);
}
