// right, eager: two captured views that overlap.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(two_views_of_one_buffer) {
  Tensor table = ramp({6}).clone();
  Tensor a = table.slice(0, 0, 4), b = table.slice(0, 2, 6);
  Jit& f = log.jit([&](const Tensor& x) { return x + a * b; }, {"x"});
  for (int i = 0; i < 5; ++i) {
    table.fill_(i + 1);
    log.call(f, ramp({4}));
  }
}
