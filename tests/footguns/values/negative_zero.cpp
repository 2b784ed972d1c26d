// right: -0 in, and out.
#include <cmath>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(negative_zero) {
  Jit& f =
      log.jit([](const Tensor& x) { return std::tuple(x * -1, x + 0, relu(x), x * 1, -x); }, {"x"});
  for (double s : {1.0, -1.0, 0.0, -0.0}) log.call(f, ramp({3}, s));
}
