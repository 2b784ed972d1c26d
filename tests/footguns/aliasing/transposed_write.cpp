// right: a transposed view is the target and the source of one copy.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(transposed_write) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x.clone();
        y.t().copy_(x);
        y.slice(0, 0, 2).copy_(y.t().slice(0, 1, 3));
        y.add_(y.t());
        return y;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3, 3}, i));
}
