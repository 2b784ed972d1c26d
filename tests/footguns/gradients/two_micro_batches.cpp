// right, eager: gradient accumulation over two micro batches, step in every second call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(two_micro_batches) {
  Tensor w = ramp({3}).requires_grad_();
  optim::SGD sgd({{"w", w}}, 0.01);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor loss = sum(w * w * x);
        loss.backward();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 11; ++i) {
    log.call(f, ramp({3}, i));
    log.emit("grad", w.grad());
    if (i % 2 == 0) {
      sgd.step();
      sgd.zero_grad();
    }
    log.emit("w", w);
  }
}
