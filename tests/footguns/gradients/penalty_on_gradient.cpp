// right: a penalty on the gradient in the input, as in training a critic.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(penalty_on_gradient) {
  Tensor w = ramp({3}, 0.3).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& v) {
        w.set_grad({});
        Tensor x = v.detach().requires_grad_();
        Tensor g = grad(sum(tanh(x * w)), x, true);
        Tensor loss = (sqrt(sum(g * g)) - 1) * (sqrt(sum(g * g)) - 1);
        loss.backward();
        return loss.detach();
      },
      {"v"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({3}, i * 0.2));
    log.emit("grad", w.grad());
  }
}
