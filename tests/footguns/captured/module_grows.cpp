// right, eager: a layer is added between the first two calls.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(module_grows) {
  std::vector<Tensor> layers = {ramp({2})};
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor y = x;
        for (const Tensor& w : layers) y = y * w;
        return y * 1;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) {
    log.call(f, ramp({2}));
    layers.push_back(ramp({2}, 0.5));
  }
}
