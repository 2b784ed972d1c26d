// retraces: a window counted from the end, by a negative start and by a raw number.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(last_rows) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return std::tuple(x.slice(0, -2, INT64_MAX) * 2, x.slice(0, x.size(0) - 3, x.size(0)) + 1);
      },
      {"x"});
  for (int64_t n : {5, 5, 6, 6, 6, 4, 4, 5, 9}) log.call(f, ramp({n}));
}
