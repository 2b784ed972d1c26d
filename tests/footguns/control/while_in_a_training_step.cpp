// right: gradients through a bounded loop.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(while_in_a_training_step) {
  Tensor w = full({}, 1.5).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor y = while_loop([](const Tensor& v) { return sum(v) < 16; },
                              [&](const Tensor& v) { return v * w; }, x, {.most = 32});
        Tensor g = grad(sum(y), w);
        NoGrad no_grad;
        w.sub_(g / 1024);
        return g;
      },
      {"x"});
  for (double s : {1.0, 0.5, 2.0, 0.25, 4.0, 3.0}) log.call(f, ramp({2}, s));
  log.emit("w", w);
}
