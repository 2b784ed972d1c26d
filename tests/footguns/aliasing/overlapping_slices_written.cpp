// right: two overlapping slices of a new tensor, written one after the other.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(overlapping_slices_written) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 1;
        Tensor a = y.slice(0, 0, 4), b = y.slice(0, 2, 6);
        a.add_(b);
        b.mul_(a);
        return y;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({6}, i));
}
