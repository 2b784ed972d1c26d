// right, eager: full() takes a raw number.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(item_as_full_value) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return full({2}, static_cast<double>(float{amax(x).item<float>()})) + x;
      },
      {"x"});
  for (double s : {1.0, 2.0, 3.0, 1.0}) log.call(f, ramp({2}, s));
}
