// right, eager: without zero_grad the gradients of the calls add up.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(accumulates) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor loss = sum(w * w * x);
        loss.backward();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({3}, i));
    log.emit("grad", w.grad());
  }
}
