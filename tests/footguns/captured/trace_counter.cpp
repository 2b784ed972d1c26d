// error: trace runs the function again and finds the counter.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_counter) {
  int count = 0;
  Trace t = trace(
      [&](const Tensor& x) {
        return x * static_cast<double>(++count);  // error here
      },
      ramp({2}));
}
