// error: a trace with a static axis refuses other sizes.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_static_size) {
  Compiled f(trace([](const Tensor& x) { return x * 2; }, ramp({5})));
  log.emit("y", f(ramp({5}, 3)));
  log.emit("y", f(ramp({6})));  // error here
}
