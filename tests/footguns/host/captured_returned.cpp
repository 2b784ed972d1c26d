// right: a function that returns a captured tensor and ignores its input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(captured_returned) {
  Tensor w = ramp({2}).clone();
  Jit& f = log.jit([&](const Tensor&) { return w; }, {"x"});
  for (int i = 1; i < 6; ++i) {
    if (i > 3) w.fill_(i);
    log.call(f, ramp({2}, i));
  }
}
