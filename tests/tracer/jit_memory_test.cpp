// jit and memory that inputs, captured tensors and results share. Every case compares with the same
// calls without jit.
#include <catch2/catch.hpp>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"

using namespace etch;
using Catch::Contains;

namespace {

using Floats = std::vector<float>;

Tensor call(Jit& f, const Tensor& x) { return f({&x, 1}).front(); }

Tensor ramp(int64_t n, float scale = 1) {
  Floats v;
  for (int64_t i = 0; i < n; ++i) v.push_back(scale * static_cast<float>(i + 1));
  return from_vector(v, {n});
}

}  // namespace

TEST_CASE("a captured tensor that is passed as an input is not taken for that input", "[jit]") {
  Tensor w = ramp(2);
  Jit g = jit([&](const Tensor& x) { return x + w * 10; }, {"x"});
  for (int i = 0; i < 3; ++i) CHECK(call(g, w).to_vector<float>() == Floats{11, 22});
  for (int i = 0; i < 3; ++i) CHECK(call(g, ramp(2, 5)).to_vector<float>() == Floats{15, 30});
  CHECK(g.stats().replays == 1);
  CHECK(g.stats().eager_because.empty());
}

TEST_CASE("an input that shares memory with what the function changes runs for real", "[jit]") {
  Tensor w = ramp(2);
  auto f = [&](const Tensor& x) {
    w.add_(scalar_tensor(1, DType::F32));
    return x * 2;
  };
  Jit g = jit(f, {"x"});
  for (int i = 0; i < 3; ++i) CHECK(call(g, ramp(2)).to_vector<float>() == Floats{2, 4});
  CHECK(call(g, w).to_vector<float>() == Floats{10, 12});
  CHECK(call(g, w.slice(0, 1, 2)).to_vector<float>() == Floats{14});
  CHECK(call(g, ramp(2)).to_vector<float>() == Floats{2, 4});
  CHECK(g.stats().replays == 2);
}

TEST_CASE("a traced program refuses an input on memory that it changes", "[trace]") {
  Tensor w = ramp(2);
  TraceOptions options;
  options.state = {{"w", w}};
  Compiled g(trace(
      [&](const Tensor& x) {
        w.add_(x);
        return x * 2;
      },
      ramp(2), options));
  CHECK_THROWS_WITH(g(w), Contains("shares its buffer with w") && Contains("clone"));
  CHECK(g(ramp(2)).to_vector<float>() == Floats{2, 4});
}

TEST_CASE("a parameter passed as an input that requires a gradient stays itself", "[jit]") {
  Tensor w = ramp(2).requires_grad_();
  auto f = [&](const Tensor& x) {
    w.set_grad(Tensor());
    sum(x * w).backward();
    return x.detach() * 1;
  };
  Jit g = jit(f, {"x"});
  for (int i = 0; i < 3; ++i) {
    call(g, w);
    CHECK(w.grad().to_vector<float>() == Floats{2, 4});
  }
  for (int i = 0; i < 4; ++i) {
    Tensor x = ramp(2, 7).requires_grad_();
    call(g, x);
    CHECK(w.grad().to_vector<float>() == Floats{7, 14});
    REQUIRE(x.grad().defined());
    CHECK(x.grad().to_vector<float>() == Floats{1, 2});
  }
}

TEST_CASE("of two inputs with one memory the result is the one that was returned", "[jit]") {
  Jit g = jit([](const Tensor&, const Tensor& b) { return b; }, {"a", "b"});
  Tensor x = ramp(2);
  for (int i = 0; i < 2; ++i) {
    const Tensor same[] = {x, x};
    CHECK(g(same).front().raw_data() == x.raw_data());
  }
  const Tensor other[] = {ramp(2), ramp(2, 3)};
  CHECK(g(other).front().to_vector<float>() == Floats{3, 6});
  CHECK(g.stats().replays == 1);
}

TEST_CASE("requires_grad_() on an input reaches the caller's tensor at every call", "[jit]") {
  Jit g = jit(
      [](Tensor x) {
        x.requires_grad_();
        sum(x * x).backward();
        return x.grad() * 1;
      },
      {"x"});
  for (int i = 1; i <= 4; ++i) {
    Tensor x = ramp(2, static_cast<float>(i));
    CHECK(call(g, x).to_vector<float>() == (x.detach() * 2).to_vector<float>());
    CHECK(x.requires_grad());
    CHECK(x.grad().defined());
  }
  CHECK_THAT(g.stats().eager_because, Contains("requires_grad_"));
}

TEST_CASE("a course that asks for strides is taken with those strides only", "[jit]") {
  auto f = [](const Tensor& x) { return x.is_contiguous() ? x * 2 : x * 3; };
  Jit g = jit(f, {"x"});
  Tensor dense = ramp(6).reshape({2, 3}), turned = ramp(6).reshape({3, 2}).t();
  for (const Tensor& x : {dense, dense, dense, turned, turned, turned, dense, turned}) {
    CHECK(call(g, x).to_vector<float>() == f(x).to_vector<float>());
  }
  CHECK(g.stats().leaves == 2);
  CHECK(g.stats().replays == 4);
}

TEST_CASE("a write goes through a regrouped view exactly where eager shares memory", "[jit]") {
  auto f = [](const Tensor& x) {
    Tensor y = x * 1;
    y.slice(1, 0, 2).reshape({-1}).mul_(scalar_tensor(10, DType::F32));  // shared when 2 is all
    y.slice(1, 0, 2).contiguous().add_(scalar_tensor(1, DType::F32));
    return y;
  };
  Jit g = jit(f, {"x"});
  for (int round = 0; round < 3; ++round) {
    for (int64_t n : {3, 4, 2, 5, 2}) {
      Tensor x = ramp(2 * n).reshape({2, n});
      CHECK(call(g, x).to_vector<float>() == f(x).to_vector<float>());
    }
  }
  // What is shared at one size only is no one course.
  CHECK_THAT(g.stats().eager_because, Contains("two runs differ"));
}

TEST_CASE("view() that eager refuses is refused at any number of calls", "[jit]") {
  Jit g = jit([](const Tensor& x) { return x.view({6}) * 2; }, {"x"});
  Tensor dense = ramp(6).reshape({2, 3}), turned = ramp(6).reshape({3, 2}).t();
  for (int i = 0; i < 3; ++i) call(g, dense);
  CHECK_THROWS_WITH(call(g, turned), Contains("without a copy"));
  call(g, dense);
  CHECK(g.stats().replays == 2);
}

TEST_CASE("a new state that others go on from is written once what they read is read", "[jit]") {
  // (s - x) * k in one loop would read s again, over which s - x lies by then.
  CompileOptions interpreted;
  interpreted.mode = CompileMode::Interpret;
  for (const CompileOptions& how : {interpreted, CompileOptions{}}) {
    Tensor s = ramp(3);
    Jit g = jit(
        [&](const Tensor& x) {
          s.sub_(x);
          return std::tuple(s * sum(x).item<float>(), sum(x));
        },
        {"x"}, {}, how);
    Floats want = {1, 2, 3};
    for (int i = 1; i <= 4; ++i) {
      Tensor x = ramp(3, static_cast<float>(i));
      std::vector<Tensor> y = g({&x, 1});
      for (size_t k = 0; k < 3; ++k) want[k] -= static_cast<float>(i) * static_cast<float>(k + 1);
      CHECK(s.to_vector<float>() == want);
      for (size_t k = 0; k < 3; ++k) {
        CHECK(y[0].to_vector<float>()[k] == want[k] * static_cast<float>(6 * i));
      }
    }
    CHECK(g.stats().replays == 2);
  }
}
