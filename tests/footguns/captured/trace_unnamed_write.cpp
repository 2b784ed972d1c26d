// error: trace refuses to change a captured tensor that nobody named.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_unnamed_write) {
  Tensor total = zeros({2}).clone();
  Trace t = trace(
      [&](const Tensor& x) {
        total.add_(x);  // error here
        return total * 2;
      },
      ramp({2}));
}
