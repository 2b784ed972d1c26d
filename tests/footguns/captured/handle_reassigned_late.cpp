// documented limit: a captured handle that the caller points elsewhere after the course is
// confirmed.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(handle_reassigned_late) {
  Tensor w = ramp({2});
  Jit& f = log.jit([&](const Tensor& x) { return x * w; }, {"x"});
  for (int i = 0; i < 5; ++i) {
    if (i == 3) w = ramp({2}, 10);
    log.call(f, ramp({2}));
  }
}
