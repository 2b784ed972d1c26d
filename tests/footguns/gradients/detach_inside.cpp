// right: detach() and NoGrad cut the graph in a replay as well.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(detach_inside) {
  Tensor w = ramp({3}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        Tensor a = w * x, b;
        {
          NoGrad no_grad;
          b = w * w;
        }
        sum(a * a.detach() + a * b).backward();
        return a.detach();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({3}, i));
    log.emit("grad", w.grad());
  }
}
