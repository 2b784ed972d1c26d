// right: the backward pass leaves a gradient on an input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(grad_of_input) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor loss = sum(x * x);
        loss.backward();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    Tensor x = ramp({3}, i).requires_grad_();
    log.call(f, x);
    log.emit("grad", x.grad());
  }
}
