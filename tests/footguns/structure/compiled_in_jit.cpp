// right, eager: a compiled program inside a jit function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(compiled_in_jit) {
  Compiled inner(trace([](const Tensor& x) { return x * 2; }, ramp({3})));
  Jit& f = log.jit([&](const Tensor& x) { return inner(x + 1) - 1; }, {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3}, i));
}
