// right, eager: the same gradient tensor in the first calls, another one later.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(grad_kept_then_replaced) {
  Tensor w = ramp({3}).requires_grad_();
  sum(w * w).backward();
  Jit& f = log.jit([&](const Tensor& x) { return x * w.grad(); }, {"x"});
  for (int i = 1; i < 7; ++i) {
    if (i == 4) w.set_grad(ramp({3}, 100));
    if (i == 6) w.set_grad(ramp({3}, -1));
    log.call(f, ramp({3}));
  }
}
