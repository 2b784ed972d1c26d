// right: a gradient of a gradient.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(double_backward) {
  Jit& f = log.jit(
      [](const Tensor& v) {
        Tensor x = v.detach().requires_grad_();
        Tensor g = grad(sum(x * x * x * x), x, true);
        return std::tuple(g.detach(), grad(sum(g * g), x));
      },
      {"v"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({3}, i * 0.5));
}
