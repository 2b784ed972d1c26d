// A small convolutional network for 8 x 8 digits, and its training loop.
#pragma once

#include <functional>
#include <memory>

#include "data.h"
#include "etch/nn.h"
#include "etch/optim.h"

namespace digits {

/// conv - norm - relu, conv - norm - relu - pool, conv - norm - relu - pool, linear.
class Net : public etch::nn::Module {
 public:
  explicit Net(etch::Generator& rng);
  /// x [N, 1, 8, 8] -> logits [N, 10].
  etch::Tensor operator()(const etch::Tensor& x);

 private:
  std::shared_ptr<etch::nn::Layer> body_;
};

/// One training step: forward, cross-entropy, backward, Adam. Returns the loss.
etch::Tensor train_step(Net& net, etch::optim::Optimizer& optimizer, const etch::Tensor& x,
                        const etch::Tensor& y);

/// Everything a training step changes, by name.
std::vector<etch::NamedTensor> training_state(const Net& net, const etch::optim::Optimizer& opt);

struct History {
  std::vector<float> losses;  // one per step
  double seconds = 0;
};
using Step = std::function<etch::Tensor(const etch::Tensor& x, const etch::Tensor& y)>;
/// Runs `epochs` over the training set in a seeded order, `batch` rows a step; progress on stderr
/// when it is a terminal.
History train(const Data& data, int epochs, int64_t batch, uint64_t seed, const Step& step);

/// Share of rows whose largest logit is the label.
double accuracy(Net& net, const etch::Tensor& x, const etch::Tensor& y);

}  // namespace digits
