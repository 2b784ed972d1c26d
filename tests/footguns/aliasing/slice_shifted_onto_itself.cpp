// right: y[1:] = y[:-1] reads everything before it writes.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(slice_shifted_onto_itself) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x.clone();
        y.slice(0, 1, 6).copy_(y.slice(0, 0, 5));
        y.slice(0, 0, 3).add_(y.slice(0, 3, 6));
        return y;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({6}, i));
}
