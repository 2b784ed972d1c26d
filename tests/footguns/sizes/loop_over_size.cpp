// retraces: a loop over rows runs as often as there are rows.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(loop_over_size) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = zeros({3});
        for (int64_t i = 0; i < x.size(0); ++i) y = y * 0.5 + x.select(0, i);
        return y;
      },
      {"x"});
  for (int64_t n : {2, 2, 2, 4, 4, 4, 0, 2, 1, 4}) log.call(f, ramp({n, 3}));
}
