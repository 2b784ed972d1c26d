// error: a number that was only meant for printing changes with the inputs, which the check finds.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_peek) {
  Trace t = trace(
      [](const Tensor& x) {
        const double s = amax(x).item<float>().peek();
        return x * s;  // error here
      },
      ramp({3}));
}
