// right, eager: zero_grad outside, left out from the fourth call on: the gradients add up.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(zeroed_outside_until_not) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor loss = sum(w * w * x);
        loss.backward();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 9; ++i) {
    if (i < 4) w.set_grad({});
    log.call(f, ramp({3}, i));
    log.emit("grad", w.grad());
  }
}
