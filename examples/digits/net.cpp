#include "net.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <numeric>
#include <random>

#include "etch/autograd.h"
#include "etch/ops.h"

namespace digits {

using namespace etch;

namespace {

std::shared_ptr<nn::Layer> block(int64_t in, int64_t out, bool pool, Generator& rng) {
  auto conv = std::make_shared<nn::Conv2d>(in, out, 3, rng, nn::Conv2dOptions{.padding = 1});
  auto norm = std::make_shared<nn::BatchNorm2d>(out);
  auto act = std::make_shared<nn::Activation>(&relu);
  using Layers = std::initializer_list<std::shared_ptr<nn::Layer>>;
  if (!pool) return std::make_shared<nn::Sequential>(Layers{conv, norm, act});
  return std::make_shared<nn::Sequential>(
      Layers{conv, norm, act, std::make_shared<nn::MaxPool2d>(2)});
}

}  // namespace

Net::Net(Generator& rng) {
  using nn::Layer;
  std::initializer_list<std::shared_ptr<Layer>> layers = {
      block(1, 16, false, rng), block(16, 32, true, rng), block(32, 64, true, rng),
      std::make_shared<nn::Flatten>(), std::make_shared<nn::Linear>(256, 10, rng)};
  body_ = add_module("net", std::make_shared<nn::Sequential>(layers));
}

Tensor Net::operator()(const Tensor& x) { return (*body_)(x); }

Tensor train_step(Net& net, optim::Optimizer& optimizer, const Tensor& x, const Tensor& y) {
  Tensor loss = cross_entropy(net(x), y);
  optimizer.zero_grad();
  loss.backward();
  optimizer.step();
  return loss.detach();
}

std::vector<NamedTensor> training_state(const Net& net, const optim::Optimizer& opt) {
  std::vector<NamedTensor> out = net.state();
  out.insert(out.end(), opt.state().begin(), opt.state().end());
  return out;
}

History train(const Data& data, int epochs, int64_t batch, uint64_t seed, const Step& step) {
  History history;
  int64_t rows = data.train_x.sizes()[0], steps = rows / batch;
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  bool progress = isatty(STDERR_FILENO) != 0;
  auto start = std::chrono::steady_clock::now();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
    double sum = 0;
    for (int64_t s = 0; s < steps; ++s) {
      std::vector<int64_t> ids(order.begin() + s * batch, order.begin() + (s + 1) * batch);
      Tensor index = from_vector(ids, {batch});
      Tensor loss = step(index_select(data.train_x, index), index_select(data.train_y, index));
      history.losses.push_back(loss.item<float>());
      sum += history.losses.back();
    }
    if (progress) {
      std::fprintf(stderr, "\r  epoch %d of %d, mean loss %.4f ", epoch + 1, epochs,
                   sum / static_cast<double>(steps));
    }
  }
  if (progress) std::fprintf(stderr, "\n");
  auto end = std::chrono::steady_clock::now();
  history.seconds = std::chrono::duration<double>(end - start).count();
  return history;
}

double accuracy(Net& net, const Tensor& x, const Tensor& y) {
  NoGrad no_grad;
  bool was_training = net.training();
  net.eval();
  Tensor hits = eq(argmax(net(x), {1}), y);
  net.train(was_training);
  return mean(hits.to(DType::F32)).item<float>();
}

}  // namespace digits
