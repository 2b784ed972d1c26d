// right: a captured view of a table sees what is written to the table.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(view_of_captured) {
  Tensor table = ramp({4, 3}).clone();
  Tensor row = table.select(0, 2);
  Jit& f = log.jit([&](const Tensor& x) { return x + row; }, {"x"});
  for (int i = 0; i < 6; ++i) {
    if (i > 2) table.fill_(i);
    log.call(f, ramp({3}));
  }
}
