// Several threads trace, compile and run at the same time. ./test tsan watches these for races.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "codegen/compiler.h"
#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "etch/optim.h"

using namespace etch;

namespace {

struct Net : nn::Module {
  std::shared_ptr<nn::Linear> first, second;
  explicit Net(Generator& rng) {
    first = add_module("first", std::make_shared<nn::Linear>(8, 16, rng));
    second = add_module("second", std::make_shared<nn::Linear>(16, 4, rng));
  }
  Tensor operator()(const Tensor& x) { return softmax((*second)(relu((*first)(x))), 1); }
};

bool same_bits(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * 4) == 0;
}

constexpr int kThreads = 4;

/// Calls body(thread number) on kThreads threads.
template <class F>
void on_threads(F&& body) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back([&body, t] { body(t); });
  for (std::thread& t : threads) t.join();
}

/// Losses of a few training steps, eager or through a jit.
std::vector<float> train(uint64_t seed, bool traced) {
  Generator rng(seed);
  Net net(rng);
  optim::Adam optimizer(net.parameters(), 1e-2);
  auto step = [&](const Tensor& x, const Tensor& y) {
    Tensor loss = mean((net(x) - y) * (net(x) - y) + randn({6, 4}, rng) * 0.01);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    return loss.detach();
  };
  TraceOptions options;
  options.state = net.state();
  options.state.insert(options.state.end(), optimizer.state().begin(), optimizer.state().end());
  options.state.push_back({"rng", rng.state()});
  Jit compiled = jit(step, {"x", "y"}, options, {.mode = CompileMode::Background});
  Generator data(seed + 100);
  std::vector<float> losses;
  for (int i = 0; i < 5; ++i) {
    const Tensor in[] = {randn({6, 8}, data), rand({6, 4}, data)};
    losses.push_back((traced ? compiled(in).front() : step(in[0], in[1])).item<float>());
  }
  return losses;
}

}  // namespace

TEST_CASE("threads that jit the same network at the same time each get eager's bits") {
  Generator rng(1);
  Net net(rng);
  std::vector<Tensor> inputs, want;
  {
    NoGrad no_grad;
    for (int64_t n : {1, 2, 7, 33}) {
      inputs.push_back(randn({n, 8}, rng));
      want.push_back(net(inputs.back()));
    }
  }
  std::atomic<int> wrong{0};
  on_threads([&](int t) {
    NoGrad no_grad;
    TraceOptions options;
    options.state = net.state();
    options.dynamic = {{"x", 0, "N"}};
    CompileMode mode = t % 2 == 0 ? CompileMode::Background : CompileMode::Sync;
    Jit f = jit([&](const Tensor& x) { return net(x); }, {"x"}, options, {.mode = mode});
    for (int round = 0; round < 8; ++round) {
      for (size_t i = 1; i < inputs.size(); ++i) {
        wrong += !same_bits(f({&inputs[i], 1}).front(), want[i]);
        wrong += !same_bits(net(inputs[i]), want[i]);
      }
      wrong += !same_bits(f({&inputs[0], 1}).front(), want[0]);
    }
  });
  codegen::KernelCompiler::instance().wait_idle();
  CHECK(wrong == 0);
}

TEST_CASE("threads that train networks of their own do not meet") {
  std::atomic<int> wrong{0};
  std::vector<std::vector<float>> want;
  for (uint64_t t = 0; t < kThreads; ++t) want.push_back(train(t + 1, false));
  on_threads([&](int t) {
    wrong += train(static_cast<uint64_t>(t) + 1, t % 2 == 0) != want[static_cast<size_t>(t)];
  });
  codegen::KernelCompiler::instance().wait_idle();
  CHECK(wrong == 0);
}
