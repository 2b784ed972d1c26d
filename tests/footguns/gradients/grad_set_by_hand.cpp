// right: set_grad() inside with a value of the function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(grad_set_by_hand) {
  Tensor w = ramp({2}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad(x * 2);
        return w.detach() + w.grad();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({2}, i));
    log.emit("grad", w.grad());
  }
}
