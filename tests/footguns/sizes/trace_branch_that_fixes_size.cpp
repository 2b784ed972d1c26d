// error: trace refuses a comparison that leaves one size only.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_branch_that_fixes_size) {
  TraceOptions n;
  n.dynamic = {{"x", 0, "N"}};
  Trace t = trace(
      [](const Tensor& x) {
        if (x.size(0) == 5) return x * 2;  // error here
        return x;
      },
      ramp({5}), n);
}
