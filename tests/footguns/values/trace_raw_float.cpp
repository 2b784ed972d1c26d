// error: trace refuses a floating number that leaves the graph.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_raw_float) {
  Trace t = trace(
      [](const Tensor& x) {
        const float s = sum(x).item<float>();  // error here
        return x * static_cast<double>(s);
      },
      ramp({3}));
}
