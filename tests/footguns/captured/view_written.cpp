// right, eager: a captured view that is written.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(view_written) {
  Tensor table = ramp({4, 3}).clone();
  Tensor row = table.select(0, 2);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        row.add_(x);
        return row * 2;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({3}));
  log.emit("table", table);
}
