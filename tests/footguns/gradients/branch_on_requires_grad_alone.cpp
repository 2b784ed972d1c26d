// retraces: the same where nothing else uses the tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(branch_on_requires_grad_alone) {
  Tensor w = ramp({2}).clone();
  Jit& f = log.jit([&](const Tensor& x) { return w.requires_grad() ? x * 2 : x - 1; }, {"x"});
  for (int i = 1; i < 9; ++i) {
    w.requires_grad_(i > 3 && i < 7);
    log.call(f, ramp({2}, i));
  }
}
