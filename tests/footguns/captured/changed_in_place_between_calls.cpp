// right: every way to change a captured tensor's elements reaches the next call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(changed_in_place_between_calls) {
  Tensor w = ramp({2, 3}).clone();
  Jit& f = log.jit([&](const Tensor& x) { return x * w; }, {"x"});
  for (int i = 0; i < 9; ++i) {
    if (i == 3) w.fill_(2);
    if (i == 4) w.slice(1, 0, 1).fill_(5);
    if (i == 5) w.select(0, 1).copy_(ramp({3}, 4));
    if (i == 6) w.t().mul_(ramp({3, 2}));
    if (i == 7) w.data<float>()[5] = -1;
    log.call(f, ones({2, 3}));
  }
}
