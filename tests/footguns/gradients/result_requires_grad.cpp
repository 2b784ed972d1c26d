// right, eager: a result that the caller differentiates.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(result_requires_grad) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit([&](const Tensor& x) { return sum(x * w * w); }, {"x"});
  for (int i = 1; i < 5; ++i) {
    log.call(f, ramp({3}, i))[0].backward();
    log.emit("grad", w.grad());
  }
}
