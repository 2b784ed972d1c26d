// right: zero_grad before every call, outside of the function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(zeroed_outside) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor loss = sum(w * w * x);
        loss.backward();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    w.set_grad({});
    log.call(f, ramp({3}, i));
    log.emit("grad", w.grad());
  }
}
