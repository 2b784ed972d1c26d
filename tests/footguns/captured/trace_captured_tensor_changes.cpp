// documented limit: what trace captures without a name is a constant.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_captured_tensor_changes) {
  Tensor scale = scalar_tensor(2, DType::F32).clone();
  Compiled f(trace([&](const Tensor& x) { return x * scale; }, ramp({2})));
  log.emit("y", f(ramp({2})));
  scale.fill_(3);
  log.emit("y", f(ramp({2})));
}
