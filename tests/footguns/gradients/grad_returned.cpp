// right, eager: a gradient that is both left behind and returned is one tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(grad_returned) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        sum(w * w * x).backward();
        return w.grad();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({3}, i))[0].fill_(-1);
    log.emit("grad", w.grad());
  }
}
