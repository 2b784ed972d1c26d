// retraces: padding up to a multiple of four is computed from a raw size.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(pad_to_multiple) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        const int64_t missing = (4 - x.size(0) % 4) % 4;
        return pad(x, {0}, {missing}, 7);
      },
      {"x"});
  for (int64_t n : {3, 3, 5, 5, 6, 6, 8, 8, 3, 7, 9, 12}) log.call(f, ramp({n}));
}
