// retraces: `if (sum(x).item() > 0)` is a guard.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(branch_on_item) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        if (sum(x).item<float>() > 0) return x * 2;
        return x - 1;
      },
      {"x"});
  for (double s : {1.0, 1.0, 2.0, -1.0, -2.0, 3.0, -3.0, 0.0}) log.call(f, ramp({3}, s));
}
