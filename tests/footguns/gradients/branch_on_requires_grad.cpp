// retraces: a branch on requires_grad() of a captured tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(branch_on_requires_grad) {
  Tensor w = ramp({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        NoGrad no_grad;
        return w.requires_grad() ? x * w : x - w;
      },
      {"x"});
  for (int i = 1; i < 9; ++i) {
    w.requires_grad_(i > 3 && i < 7);
    log.call(f, ramp({2}, i));
  }
}
