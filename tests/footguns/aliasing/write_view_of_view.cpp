// right, eager: a write through a view of a view of a view, of numbers that the host makes.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(write_view_of_view) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x.clone();
        y.t().slice(0, 0, 3, 2).select(1, 1).add_(ramp({2}, 0) + 10);
        return y;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({4, 3}, i));
}
