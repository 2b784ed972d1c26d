// right, eager: only the optimizer's step is compiled; the gradients come from outside.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(step_inside_backward_outside) {
  Tensor w = ramp({3}).requires_grad_();
  optim::SGD sgd({{"w", w}}, 0.01);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.step();
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 8; ++i) {
    sgd.zero_grad();
    sum(w * w * ramp({3}, i)).backward();
    log.call(f, ramp({3}));
    log.emit("w", w);
  }
}
