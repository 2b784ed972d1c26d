// error: a compiled program inside a trace.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(compiled_in_trace) {
  Compiled inner(trace([](const Tensor& x) { return x * 2; }, ramp({3})));
  Compiled f(trace(
      [&](const Tensor& x) {
        Tensor y = inner(x + 1);  // error here
        return y - 1;
      },
      ramp({3})));
}
