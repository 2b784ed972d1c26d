// right: and of that one.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(third_order) {
  Jit& f = log.jit(
      [](const Tensor& v) {
        Tensor x = v.detach().requires_grad_();
        Tensor y = sum(exp(x) * sin(x));
        for (int order = 0; order < 3; ++order) y = sum(grad(y, x, true));
        return y.detach();
      },
      {"v"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({3}, i * 0.2));
}
