// right: a rate that the host computes reaches an optimizer through etch::input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(learning_rate_of_optimizer_through_input) {
  Tensor w = ramp({3}).requires_grad_();
  optim::SGD sgd({{"w", w}}, 1);
  double rate = 0.1;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.zero_grad();
        Tensor loss = sum(w * w * x);
        loss.backward();
        sgd.set_lr(input(rate, "rate").tensor());
        sgd.step();
        return loss.detach();
      },
      {"x"});
  for (int i = 0; i < 6; ++i) {
    log.call(f, ramp({3}, 0.1));
    log.emit("w", w);
    rate *= 0.5;
  }
}
