// right, eager: a captured tensor is written with a value that carries gradients.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(state_takes_part_in_gradients) {
  Tensor w = ramp({2}).requires_grad_();
  Tensor h = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        h.copy_(x * w);
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) {
    log.call(f, ramp({2}, i));
    log.emit("h", h);
    w.set_grad({});
    sum(h * h).backward();
    log.emit("grad", w.grad());
  }
}
