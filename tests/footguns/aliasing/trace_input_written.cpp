// error: trace refuses to change an input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_input_written) {
  Trace t = trace(
      [](Tensor x) {
        x.add_(x);  // error here
        return x * 2;
      },
      ramp({3}));
}
