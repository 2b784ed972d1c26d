// retraces: gradients switched off by the caller in some calls.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(no_grad_outside) {
  Tensor w = ramp({2}).requires_grad_();
  Jit& f = log.jit([&](const Tensor& x) { return grad_enabled() ? (x * w).detach() * 2 : x * w; },
                   {"x"});
  for (int i = 1; i < 9; ++i) {
    if (i % 2 == 0) {
      NoGrad no_grad;
      log.call(f, ramp({2}, i));
    } else {
      log.call(f, ramp({2}, i));
    }
  }
}
