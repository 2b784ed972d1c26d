// right, eager: and adds up when the same input comes again.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(grad_of_same_input_twice) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor loss = sum(x * x);
        loss.backward();
        return loss.detach();
      },
      {"x"});
  Tensor x = ramp({3}).requires_grad_();
  for (int i = 1; i < 6; ++i) {
    log.call(f, x);
    log.emit("grad", x.grad());
  }
}
