// documented limit: a host variable that starts to change after two calls that agreed.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(late_counter) {
  double factor = 1;
  Jit& f = log.jit([&](const Tensor& x) { return x * factor; }, {"x"});
  for (int i = 0; i < 5; ++i) {
    if (i >= 3) factor = 3;
    log.call(f, ramp({2}));
  }
}
