// error: a compiled program carries no gradients, and says so.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_input_requires_grad) {
  Compiled f(trace([](const Tensor& x) { return x * 2; }, ramp({3})));
  log.emit("y", f(ramp({3}, 2)));
  Tensor x = ramp({3}).requires_grad_();
  log.emit("y", f(x));  // error here
}
