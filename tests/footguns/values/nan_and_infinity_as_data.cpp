// right: the first calls see ordinary numbers, later ones do not.
#include <cmath>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(nan_and_infinity_as_data) {
  Jit& f = log.jit(
      [](const Tensor& x) { return std::tuple(relu(x), amax(x), x - x, x * 0, maximum(x, -x)); },
      {"x"});
  for (double s : {1.0, 2.0, std::nan(""), HUGE_VAL, -HUGE_VAL, -0.0}) log.call(f, ramp({3}, s));
}
