// right: a gradient step inside the loss that is differentiated.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(meta_learning) {
  Tensor w = ramp({2}, 0.3).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        Tensor inner = grad(sum(w * w * x), w, true);
        Tensor fast = w - inner * 0.1;
        Tensor loss = sum(fast * fast * x);
        loss.backward();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({2}, i * 0.2));
    log.emit("grad", w.grad());
  }
}
