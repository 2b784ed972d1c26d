// right: a jit function is part of a trace.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(jit_in_trace) {
  Jit& inner = log.jit([](const Tensor& x) { return x * 2; }, {"x"});
  Compiled f(trace([&](const Tensor& x) { return inner({{x}})[0] + 1; }, ramp({3})));
  for (int i = 1; i < 5; ++i) log.emit("y", f(ramp({3}, i)));
}
