// retraces: twenty different loop lengths.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(loop_over_many_sizes) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = zeros({2});
        for (int64_t i = 0; i < x.size(0); ++i) y = y + x.select(0, i) * static_cast<double>(i);
        return y;
      },
      {"x"});
  for (int64_t n = 0; n < 20; ++n) log.call(f, ramp({n, 2}));
  for (int64_t n = 20; n >= 0; n -= 3) log.call(f, ramp({n, 2}));
}
