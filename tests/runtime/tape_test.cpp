// Gradients: every operator of the registry against finite differences in f64, and the tape's
// rules.
#include <catch2/catch.hpp>

#include <cmath>
#include <functional>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/random.h"
#include "ir/registry.h"
#include "runtime/eager.h"
#include "tests/support/op_call.h"

using namespace etch;

namespace {

using Weights = std::vector<Tensor>;

/// The floating results.
std::vector<Tensor> floats_of(const ir::OpDef& op, const std::vector<Tensor>& in,
                              const void* attrs) {
  std::vector<Tensor> out = runtime::apply(op, in, attrs);
  std::erase_if(out, [](const Tensor& t) { return t.dtype() != DType::F64; });
  return out;
}

/// f(inputs) = sum of weights * op(inputs), smooth around the drawn values.
double weighted(const ir::OpDef& op, const std::vector<Tensor>& in, const void* attrs,
                const Weights& weights) {
  NoGrad no_grad;
  double total = 0;
  std::vector<Tensor> out = floats_of(op, in, attrs);
  for (size_t i = 0; i < out.size(); ++i) total += sum(out[i] * weights[i]).item<double>();
  return total;
}

/// The largest gap between `got` and central differences of `f` over all elements of `x`.
double worst_gap(Tensor x, const Tensor& got, const std::function<double()>& f) {
  double worst = 0;
  double* p = x.data<double>();
  std::vector<double> g = got.to_vector<double>();
  for (size_t i = 0; i < g.size(); ++i) {
    double before = p[i], h = 1e-6;
    p[i] = before + h;
    double up = f();
    p[i] = before - h;
    double down = f();
    p[i] = before;
    double want = (up - down) / (2 * h);
    worst = std::max(worst, std::abs(want - g[i]) / (1 + std::abs(want)));
  }
  return worst;
}

}  // namespace

TEST_CASE("every gradient matches finite differences, first and second order", "[tape][registry]") {
  for (const ir::OpDef* op : ir::all_ops()) {
    if (op->vjp == nullptr || op->max_operands == 0) continue;
    for (const test::OpCase& c : test::op_cases(*op, DType::F64)) {
      DYNAMIC_SECTION(c.name) {
        auto attrs = test::concrete(c);
        std::vector<Tensor> in;
        for (const test::Dense& d : test::draw_operands(c, 11)) in.push_back(test::to_tensor(d));
        std::vector<Tensor> leaves;
        for (Tensor& t : in) {
          if (t.dtype() == DType::F64) leaves.push_back(t.requires_grad_());
        }
        std::vector<Tensor> out = floats_of(*op, in, attrs.get());
        if (out.empty()) continue;
        Generator rng(7);
        Weights weights;
        for (const Tensor& t : out) weights.push_back(rand(t.sizes(), rng, DType::F64) + 0.5);
        std::vector<Tensor> first = grad(out, leaves, weights, true);
        for (size_t i = 0; i < leaves.size(); ++i) {
          INFO("operand " << i);
          Tensor probe = leaves[i].detach();
          // No gradient at all says that the operand does not matter: all differences are 0.
          if (!first[i].defined()) first[i] = zeros(SizeList(probe.sizes()), DType::F64);
          CHECK(worst_gap(probe, first[i],
                          [&] { return weighted(*op, in, attrs.get(), weights); }) < 2e-5);
          if (!first[i].requires_grad()) continue;  // linear: no second derivative
          Tensor inner = rand(first[i].sizes(), rng, DType::F64) + 0.5;
          std::vector<Tensor> second = grad({{first[i]}}, {{leaves[i]}}, {{inner}}, true);
          if (!second[0].defined()) continue;
          CHECK(worst_gap(probe, second[0], [&] {
                  std::vector<Tensor> y = floats_of(*op, in, attrs.get());
                  std::vector<Tensor> g = grad(y, {{leaves[i]}}, weights);
                  NoGrad no_grad;
                  return static_cast<double>(sum(g[0] * inner).item<double>());
                }) < 2e-4);
        }
      }
    }
  }
}

TEST_CASE("gradients accumulate in leaves and stop at detach", "[tape]") {
  Tensor x = tensor<float>({1, 2, 3});
  x.requires_grad_();
  (sum(x * x)).backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{2, 4, 6});
  (sum(x * x.detach())).backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{3, 6, 9});
}

TEST_CASE("a second backward over a freed tape is an error", "[tape]") {
  Tensor x = tensor<float>({1, 2, 3});
  x.requires_grad_();
  Tensor y = sum(exp(x));
  y.backward();
  CHECK_THROWS_WITH(y.backward(), Catch::Contains("already used and freed"));
}

TEST_CASE("changing a saved tensor in place is an error with both versions", "[tape]") {
  Tensor x = tensor<float>({1, 2, 3});
  x.requires_grad_();
  Tensor h = x * 2;
  Tensor y = sum(h * h);
  {
    NoGrad no_grad;
    h.add_(tensor<float>({1}));
  }
  CHECK_THROWS_WITH(y.backward(), Catch::Contains("changed in place") &&
                                      Catch::Contains("version 0 then, 1 now"));
  CHECK_THROWS_WITH(x.add_(tensor<float>({1})), Catch::Contains("inside NoGrad"));
}

TEST_CASE("a chain of 200,000 recorded operators is destroyed without recursion", "[tape]") {
  Tensor x = tensor<float>({1});
  x.requires_grad_();
  Tensor y = x;
  for (int i = 0; i < 200000; ++i) y = y + x;
  y = Tensor();
  CHECK(x.to_vector<float>()[0] == 1);
}

TEST_CASE("a gradient of one's own replaces the operators' and is checked", "[tape]") {
  auto clipped = custom_vjp([](std::span<const Tensor> in) { return in[0] * 2; },
                            [](std::span<const Tensor>, const Tensor& y, const Tensor& g) {
                              return std::vector<Tensor>{clamp(g * y, -1, 1)};
                            });
  Tensor x = tensor<float>({-3, 0.1F, 3});
  x.requires_grad_();
  sum(clipped({{x}})).backward();
  std::vector<float> g = x.grad().to_vector<float>();
  CHECK(g[0] == -1);
  CHECK(g[1] == Approx(0.2));
  CHECK(g[2] == 1);
  auto wrong = custom_vjp([](std::span<const Tensor> in) { return in[0] * 2; },
                          [](std::span<const Tensor>, const Tensor&, const Tensor& grad) {
                            return std::vector<Tensor>{sum(grad)};
                          });
  CHECK_THROWS_WITH(sum(wrong({{x}})).backward(),
                    Catch::Contains("[custom_vjp] the gradient of input 0 has shape []"));
}
