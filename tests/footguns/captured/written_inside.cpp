// right: a captured tensor that the function writes.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(written_inside) {
  Tensor total = zeros({3}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        return total * 2;
      },
      {"x"});
  for (int i = 0; i < 6; ++i) {
    log.call(f, ramp({3}, i));
    log.emit("total", total);
  }
}
