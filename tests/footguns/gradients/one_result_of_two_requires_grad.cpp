// right, eager: one of two results takes part in gradients.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(one_result_of_two_requires_grad) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit([&](const Tensor& x) { return std::tuple(x * 2, sum(x * w)); }, {"x"});
  for (int i = 1; i < 5; ++i) {
    w.set_grad({});
    log.call(f, ramp({3}, i))[1].backward();
    log.emit("grad", w.grad());
  }
}
