// retraces: gradients that are clipped only when their norm is large.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(clipping_by_norm) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        sum(w * x * x).backward();
        NoGrad no_grad;
        Tensor norm = sqrt(sum(w.grad() * w.grad()));
        if (norm.item<float>() > 5) w.set_grad(w.grad() * (5.0 / norm));
        w.sub_(w.grad() * 0.01);
        return norm;
      },
      {"x"});
  for (int i = 1; i < 10; ++i) {
    log.call(f, ramp({3}, i % 3 + 0.5));
    log.emit("grad", w.grad());
    log.emit("w", w);
  }
}
