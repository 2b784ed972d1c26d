// error: a large captured tensor that nobody named.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_large_constant) {
  Tensor big = ramp({200, 200});
  Trace t = trace(
      [&](const Tensor& x) {
        return x + sum(big);  // error here
      },
      ramp({2}));
}
