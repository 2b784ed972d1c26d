// right: weights that are copied over by another network's between calls.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(weights_copied_over) {
  Generator rng(1);
  nn::Linear net(3, 2, rng), other(3, 2, rng);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        NoGrad no_grad;
        return net(x);
      },
      {"x"});
  for (int i = 0; i < 6; ++i) {
    if (i == 3) {
      NoGrad no_grad;
      net.weight.copy_(other.weight);
      net.bias.copy_(other.bias);
    }
    log.call(f, ramp({2, 3}));
  }
}
