// retraces: `if (x.size(0) > 4)` is a guard.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(branch_on_size) {
  Jit& f = log.jit([](const Tensor& x) { return x.size(0) > 4 ? x * 2 : x - 1; }, {"x"});
  for (int64_t n : {3, 3, 3, 5, 5, 5, 4, 6, 2, 9, 1, 0}) log.call(f, ramp({n}));
}
