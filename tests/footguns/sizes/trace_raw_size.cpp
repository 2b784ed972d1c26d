// error: trace refuses a dynamic size that becomes a raw number.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_raw_size) {
  TraceOptions n;
  n.dynamic = {{"x", 0, "N"}};
  Trace t = trace(
      [](const Tensor& x) {
        const int64_t rows = x.size(0);  // error here
        return x * static_cast<double>(rows);
      },
      ramp({5}), n);
}
