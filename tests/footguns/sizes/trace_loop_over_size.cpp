// error: trace refuses a loop over a dynamic size.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_loop_over_size) {
  TraceOptions n;
  n.dynamic = {{"x", 0, "N"}};
  Trace t = trace(
      [](const Tensor& x) {
        Tensor y = zeros({});
        for (int64_t i = 0; i < x.size(0); ++i) y = y + x.select(0, i);  // error here
        return y;
      },
      ramp({5}), n);
}
