// right: the learning rate of an optimizer is a tensor, and changing it reaches the next call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(optimizer_rate_as_tensor) {
  Generator rng(1);
  nn::Linear net(3, 2, rng);
  optim::SGD sgd(net.parameters(), 0.1, 0.9);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.zero_grad();
        Tensor loss = sum(net(x) * net(x));
        loss.backward();
        sgd.step();
        return loss.detach();
      },
      {"x"});
  for (int i = 0; i < 6; ++i) {
    if (i == 3) Tensor(sgd.state()[0].tensor).fill_(0.001);
    log.call(f, ramp({2, 3}, 0.1));
    log.emit("weight", net.weight);
  }
}
