// retraces: so is a branch on the remainder of a size.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(branch_on_odd_size) {
  Jit& f = log.jit([](const Tensor& x) { return x.size(0) % 2 == 0 ? x * 2 : x - 1; }, {"x"});
  for (int64_t n : {4, 4, 6, 6, 8, 3, 5, 5, 7, 10, 1, 0}) log.call(f, ramp({n}));
}
