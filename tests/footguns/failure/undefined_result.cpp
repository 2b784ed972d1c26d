// right, eager: a function that sometimes forgets to fill in its result.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(undefined_result) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y;
        if (x.dim() == 1) y = x * 2;
        return std::tuple(x + 1, y);
      },
      {"x"});
  for (int i = 0; i < 3; ++i) {
    log.call(f, ramp({2}));
    log.call(f, ramp({2, 1}));
  }
}
