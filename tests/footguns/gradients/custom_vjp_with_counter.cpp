// right, eager: a gradient function that counts.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(custom_vjp_with_counter) {
  Tensor w = ramp({2}).requires_grad_();
  int count = 0;
  auto twice = custom_vjp([](std::span<const Tensor> in) { return in[0] * 2; },
                          [&](std::span<const Tensor>, const Tensor&, const Tensor& g) {
                            return std::vector<Tensor>{g * static_cast<double>(++count)};
                          });
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.set_grad({});
        const Tensor in[] = {w * x};
        sum(twice(in)).backward();
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({2}, i));
    log.emit("grad", w.grad());
  }
}
