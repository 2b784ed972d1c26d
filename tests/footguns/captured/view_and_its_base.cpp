// right, eager: a captured view and the tensor it looks into, where the function writes one.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(view_and_its_base) {
  Tensor table = ramp({4, 3}).clone();
  Tensor row = table.select(0, 2);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        table.add_(x);
        return x + row;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({3}));
  log.emit("table", table);
}
