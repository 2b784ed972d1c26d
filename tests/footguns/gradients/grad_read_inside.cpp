// right, eager: a gradient that was left outside, read by the function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(grad_read_inside) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit([&](const Tensor& x) { return x * w.grad(); }, {"x"});
  for (int i = 1; i < 7; ++i) {
    if (i != 3) w.set_grad({});
    sum(w * w * ramp({3}, i)).backward();
    log.call(f, ramp({3}));
  }
}
