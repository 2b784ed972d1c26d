// right, eager: a step written by hand with a double that decays.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(optimizer_rate_by_hand) {
  Tensor w = ramp({3}).requires_grad_();
  double rate = 0.1;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        Tensor loss = sum(w * w * x);
        loss.backward();
        NoGrad no_grad;
        w.sub_(w.grad() * rate);
        return loss.detach();
      },
      {"x"});
  for (int i = 0; i < 5; ++i) {
    log.call(f, ramp({3}, 0.1));
    log.emit("w", w);
    rate *= 0.5;
  }
}
