// Optimizers, schedules and clipping against their formulas in f64.
#include "etch/optim.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <numbers>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"

using namespace etch;
using Catch::Contains;

namespace {

using Values = std::vector<double>;

Values values(const Tensor& t) { return t.to(DType::F64).to_vector<double>(); }

/// Gradient k of a run, the same for Etch and the formulas.
Values gradient(size_t k, size_t count) {
  Values g;
  for (size_t i = 0; i < count; ++i) g.push_back(std::sin(static_cast<double>(3 * k + i)));
  return g;
}

using Formula = std::function<void(size_t k, Values& p, const Values& g)>;

/// The gap between ten steps of `optimizer` on the f64 parameter `p` and of `formula`.
double gap_after_ten(optim::Optimizer& optimizer, Tensor p, const Formula& formula) {
  Values want = values(p);
  for (size_t k = 1; k <= 10; ++k) {
    Values g = gradient(k, want.size());
    p.set_grad(from_vector(g, p.shape()));
    optimizer.step();
    formula(k, want, g);
  }
  Values got = values(p);
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(got[i] - want[i]));
  return worst;
}

Tensor start() { return from_vector(Values{1, -2, 3, 0.5}, {4}).requires_grad_(); }

// Powers of two, so that the f32 rate is the number that formulas use.
constexpr double kRate = 0.03125;

}  // namespace

TEST_CASE("SGD follows its formula with momentum, Nesterov's too, and weight decay", "[optim]") {
  for (double momentum : {0.0, 0.9}) {
    for (double decay : {0.0, 0.1}) {
      for (bool nesterov : {false, true}) {
        CAPTURE(momentum, decay, nesterov);
        Tensor p = start();
        optim::SGD sgd({{"p", p}}, kRate, momentum, decay, nesterov);
        Values v(4);
        CHECK(gap_after_ten(sgd, p, [&](size_t, Values& w, const Values& g) {
                for (size_t i = 0; i < 4; ++i) {
                  const double d = g[i] + decay * w[i];
                  v[i] = momentum * v[i] + d;
                  w[i] -= kRate * (nesterov && momentum != 0 ? d + momentum * v[i] : v[i]);
                }
              }) < 1e-13);
      }
    }
  }
}

TEST_CASE("Adam adds weight decay to the gradient, AdamW takes it from the parameter", "[optim]") {
  for (double decay : {0.0, 0.1}) {
    for (bool decoupled : {false, true}) {
      CAPTURE(decay, decoupled);
      Tensor p = start();
      std::vector<NamedTensor> named = {{"p", p}};
      optim::Adam adam(named, kRate, 0.8, 0.95, 1e-6, decay);
      optim::AdamW adamw(named, kRate, 0.8, 0.95, 1e-6, decay);
      optim::Optimizer& optimizer = decoupled ? static_cast<optim::Optimizer&>(adamw) : adam;
      Values m(4), v(4);
      CHECK(gap_after_ten(optimizer, p, [&](size_t k, Values& w, const Values& g) {
              const auto t = static_cast<double>(k);
              for (size_t i = 0; i < 4; ++i) {
                const double d = decoupled ? g[i] : g[i] + decay * w[i];
                if (decoupled) w[i] -= kRate * decay * w[i];
                m[i] = 0.8 * m[i] + 0.2 * d;
                v[i] = 0.95 * v[i] + 0.05 * d * d;
                const double mean = m[i] / (1 - std::pow(0.8, t));
                const double square = v[i] / (1 - std::pow(0.95, t));
                w[i] -= kRate * mean / (std::sqrt(square) + 1e-6);
              }
            }) < 1e-13);
    }
  }
}

TEST_CASE("schedules follow their formulas from the first step on", "[optim]") {
  Tensor p = start();
  auto check = [&](auto make, const std::function<double(double)>& want) {
    optim::SGD sgd({{"p", p}}, 0.5);
    auto schedule = make(sgd);
    for (int n = 0; n < 12; ++n) {
      CAPTURE(n);
      CHECK(sgd.lr().item<float>() == Approx(want(n)).epsilon(1e-6));
      sgd.step();
      schedule->step();
    }
    CHECK(schedule->state().at(0).tensor.template item<double>() == 12);
  };
  using O = const optim::Optimizer&;
  check([](O o) { return std::make_unique<optim::StepLR>(o, 4, 0.25); },
        [](double n) { return 0.5 * std::pow(0.25, std::floor(n / 4)); });
  check([](O o) { return std::make_unique<optim::ExponentialLR>(o, 0.9); },
        [](double n) { return 0.5 * std::pow(0.9, n); });
  check([](O o) { return std::make_unique<optim::LinearLR>(o, 0.1, 1, 5); },
        [](double n) { return 0.5 * (0.1 + 0.9 * std::min(n, 5.0) / 5); });
  check([](O o) { return std::make_unique<optim::CosineAnnealingLR>(o, 8, 0.125); },
        [](double n) { return 0.125 + 0.375 * (1 + std::cos(std::numbers::pi * n / 8)) / 2; });
  check(
      [](O o) {
        return std::make_unique<optim::LambdaLR>(o, [](const Tensor& n) { return 1 / (n + 1); });
      },
      [](double n) { return 0.5 / (n + 1); });
  optim::SGD sgd({{"p", p}}, 0.5);
  CHECK_THROWS_WITH(optim::StepLR(sgd, 0), Contains("StepLR") && Contains("at least 1"));
}

TEST_CASE("the learning rate changes between steps, by numbers and by tensors", "[optim]") {
  Tensor p = start();
  optim::SGD sgd({{"p", p}}, 1);
  sgd.set_lr(0.25);
  CHECK(sgd.lr().item<float>() == 0.25F);
  sgd.set_lr(full({}, 0.5, DType::F64));
  CHECK(sgd.state().at(0).tensor.item<float>() == 0.5F);
}

TEST_CASE("gradients are clipped by their common norm", "[optim]") {
  const double inf = std::numeric_limits<double>::infinity();
  const Values a = {3, -4, 1}, b = {2, 0.5};
  for (double type : {2.0, 1.0, 3.0, inf}) {
    double norm = 0;
    for (const Values* v : {&a, &b}) {
      for (double x : *v) {
        norm = type == inf ? std::max(norm, std::abs(x)) : norm + std::pow(std::abs(x), type);
      }
    }
    if (type != inf) norm = std::pow(norm, 1 / type);
    for (double most : {100.0, 1.5}) {
      CAPTURE(type, most);
      Tensor p = zeros({3}, DType::F64).requires_grad_(), q = zeros({2}).requires_grad_();
      Tensor unused = zeros({2}).requires_grad_();
      p.set_grad(from_vector(a, {3}));
      q.set_grad(from_vector(b, {2}).to(DType::F32));
      Tensor got = nn::utils::clip_grad_norm_({{"p", p}, {"q", q}, {"unused", unused}}, most, type);
      CHECK(values(got)[0] == Approx(norm).epsilon(1e-6));
      const double scale = std::min(1.0, most / (norm + 1e-6));
      for (size_t i = 0; i < 3; ++i) CHECK(values(p.grad())[i] == Approx(a[i] * scale));
      for (size_t i = 0; i < 2; ++i) CHECK(values(q.grad())[i] == Approx(b[i] * scale));
      CHECK_FALSE(unused.grad().defined());
      nn::utils::clip_grad_value_({{"p", p}}, 0.5);
      for (size_t i = 0; i < 3; ++i) {
        CHECK(values(p.grad())[i] == Approx(std::clamp(a[i] * scale, -0.5, 0.5)));
      }
    }
  }
  auto line = Contains("optim_test.cpp");
  CHECK_THROWS_WITH(nn::utils::clip_grad_norm_({}, -1), Contains("-1") && line);
  CHECK_THROWS_WITH(nn::utils::clip_grad_norm_({}, 1, 0), Contains("norm_type") && line);
  CHECK_THROWS_WITH(nn::utils::clip_grad_value_({}, NAN), Contains("at least 0") && line);
}

TEST_CASE("gradients that are one tensor are clipped once", "[optim]") {
  Tensor p = ones({2}).requires_grad_(), q = ones({2}).requires_grad_();
  sum(p + q).backward();
  nn::utils::clip_grad_norm_({{"p", p}, {"q", q}}, 1);
  CHECK(values(p.grad())[0] == Approx(0.5));
  CHECK(values(q.grad())[1] == Approx(0.5));
}
