// right: results of a traced program are tensors of their own.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_output_is_view) {
  Compiled f(trace([](const Tensor& x) { return x.slice(0, 1, 3); }, ramp({4})));
  for (int i = 1; i < 3; ++i) log.emit("y", f(ramp({4}, i)));
}
