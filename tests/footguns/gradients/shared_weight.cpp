// right: one parameter under two names gets one gradient.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(shared_weight) {
  Tensor w = ramp({2, 2}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        Tensor tied = w;
        sum(matmul(matmul(x, w), tied.t())).backward();
        NoGrad no_grad;
        tied.sub_(w.grad() * 0.01);
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({2, 2}, i * 0.1));
    log.emit("w", w);
    log.emit("grad", w.grad());
  }
}
