// right: a schedule inside the step, whose count of steps is a tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(scheduler) {
  Tensor w = ramp({3}).requires_grad_();
  optim::SGD sgd({{"w", w}}, 0.1, 0.9);
  optim::CosineAnnealingLR cosine(sgd, 6, 0.01);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.zero_grad();
        sum(w * w * x).backward();
        sgd.step();
        cosine.step();
        return sgd.lr();
      },
      {"x"});
  for (int i = 0; i < 9; ++i) {
    log.call(f, ramp({3}, 0.1));
    log.emit("w", w);
    log.emit("steps", cosine.state()[0].tensor);
  }
}
