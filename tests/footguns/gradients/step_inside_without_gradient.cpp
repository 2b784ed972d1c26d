// right, eager: parameters without a gradient stay as they are, in the calls that have none.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(step_inside_without_gradient) {
  Tensor w = ramp({3}).requires_grad_();
  optim::SGD sgd({{"w", w}}, 0.01);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.step();
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 9; ++i) {
    if (i > 3) sum(w * w * ramp({3}, i)).backward();
    if (i == 7) sgd.zero_grad();
    log.call(f, ramp({3}));
    log.emit("w", w);
  }
}
