// retraces: traced with five rows, called with one and with none.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(zero_and_one) {
  Jit& f = log.jit(
      [](const Tensor& x) { return std::tuple(sum(x, {0}), x * 2, x - mean(x, {0}, true)); },
      {"x"});
  for (int64_t n : {5, 5, 6, 6, 6, 1, 0, 1, 0, 1, 0, 7}) log.call(f, ramp({n, 3}));
}
