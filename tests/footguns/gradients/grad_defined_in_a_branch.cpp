// retraces: a branch on whether there is a gradient yet.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(grad_defined_in_a_branch) {
  Tensor w = ramp({2}).requires_grad_();
  Jit& f = log.jit([&](const Tensor& x) { return w.grad().defined() ? x * 2 : x - 1; }, {"x"});
  Tensor g = ramp({2}, 5);
  for (int i = 1; i < 10; ++i) {
    w.set_grad(i > 3 && i < 7 ? g : Tensor());
    log.call(f, ramp({2}, i));
  }
}
