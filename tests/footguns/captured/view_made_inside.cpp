// right: the view made inside the function is written through.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(view_made_inside) {
  Tensor table = ramp({4, 3}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor row = table.select(0, 2);
        row.add_(x);
        return row * 2 + sum(table);
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({3}));
  log.emit("table", table);
}
