// retraces: sizes() gives raw numbers and guards them.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(raw_sizes_of_a_tensor) {
  Jit& f = log.jit(
      [](const Tensor& x) { return x * static_cast<double>(x.sizes()[0] * x.sizes()[1]); }, {"x"});
  for (int64_t n : {3, 3, 4, 4, 4, 5, 5, 3, 3}) log.call(f, ramp({n, 2}));
}
