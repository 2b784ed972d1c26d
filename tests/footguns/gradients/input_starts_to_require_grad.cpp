// retraces: the same function for inputs without gradients, with, and without again.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(input_starts_to_require_grad) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        if (!x.requires_grad()) return x * 2;
        return grad(sum(x * x * x), x);
      },
      {"x"});
  for (int i = 1; i < 10; ++i) log.call(f, ramp({2}, i).requires_grad_(i > 3 && i < 8));
}
