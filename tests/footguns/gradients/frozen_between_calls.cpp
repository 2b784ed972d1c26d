// retraces: a layer that is frozen between calls no longer gets gradients.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(frozen_between_calls) {
  Generator rng(2);
  nn::Linear net(3, 2, rng);
  optim::SGD sgd(net.parameters(), 0.1);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.zero_grad();
        Tensor loss = sum(net(x) * net(x));
        loss.backward();
        sgd.step();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 9; ++i) {
    if (i == 4) net.weight.requires_grad_(false);
    if (i == 7) net.weight.requires_grad_(true);
    log.call(f, ramp({2, 3}, 0.1));
    log.emit("weight", net.weight);
    log.emit("weight.grad", net.weight.grad());
  }
}
