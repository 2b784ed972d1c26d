// retraces: a write into the last rows of a tensor of any length.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(write_with_dynamic_size) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 1;
        y.slice(0, -2, INT64_MAX).mul_(y.slice(0, 0, 2));
        return y;
      },
      {"x"});
  for (int64_t n : {5, 5, 6, 6, 7, 2, 3, 9}) log.call(f, ramp({n, 2}));
}
