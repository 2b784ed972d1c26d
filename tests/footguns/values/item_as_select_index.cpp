// right, eager: so many positions that a course for each makes no sense.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(item_as_select_index) {
  Jit& f = log.jit(
      [](const Tensor& x) { return x.select(0, int64_t{argmax(x).item<int64_t>()}) * 2; }, {"x"});
  for (int64_t i = 0; i < 24; ++i) {
    Tensor x = ramp({12});
    x.slice(0, i % 12, i % 12 + 1).fill_(100);
    log.call(f, x);
  }
}
