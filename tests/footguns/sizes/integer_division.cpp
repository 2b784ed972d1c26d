// retraces: half a size rounds down, for odd sizes as well.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(integer_division) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        const int64_t half = x.size(0) / 2;
        return std::tuple(x.slice(0, 0, half) * 2, x.slice(0, half, x.size(0)) + 1);
      },
      {"x"});
  for (int64_t n : {4, 4, 5, 5, 6, 7, 7, 4, 1, 0}) log.call(f, ramp({n}));
}
