// retraces: a step that is skipped when the loss is not a number.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(skipped_step_on_nan) {
  Tensor w = ramp({2}).requires_grad_();
  optim::Adam adam({{"w", w}}, 0.1);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        adam.zero_grad();
        Tensor loss = sum(log10(w * x));
        if (isnan(loss.detach()).item<bool>()) return loss.detach();
        loss.backward();
        adam.step();
        return loss.detach();
      },
      {"x"});
  for (double s : {1.0, 2.0, -1.0, 3.0, -1.0, -1.0, 4.0}) {
    log.call(f, ramp({2}, s));
    log.emit("w", w);
    log.emit("grad", w.grad());
  }
}
