// right, eager: a module's weight is replaced by another tensor in each call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(parameter_replaced) {
  Generator rng(1);
  nn::Linear net(3, 2, rng);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        NoGrad no_grad;
        return net(x);
      },
      {"x"});
  for (int i = 0; i < 5; ++i) {
    net.weight = ramp({2, 3}, i);
    log.call(f, ramp({2, 3}));
  }
}
