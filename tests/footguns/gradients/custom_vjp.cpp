// right: a gradient of the user's own, a straight-through estimator.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(custom_vjp) {
  Tensor w = ramp({3}, 0.7).requires_grad_();
  auto rounded = custom_vjp([](std::span<const Tensor> in) { return round(in[0]); },
                            [](std::span<const Tensor>, const Tensor&, const Tensor& g) {
                              return std::vector<Tensor>{g * 2};
                            });
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        const Tensor in[] = {w * x};
        Tensor y = rounded(in);
        sum(y * y).backward();
        return y.detach();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({3}, i));
    log.emit("grad", w.grad());
  }
}
