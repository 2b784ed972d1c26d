// error: trace wants a clone.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_same_tensor_twice) {
  Tensor x = ramp({3});
  auto f = [](const Tensor& a, const Tensor& b) { return a - b; };
  Trace t = trace(f, {"a", "b"}, std::tuple(x, x));  // error here
}
