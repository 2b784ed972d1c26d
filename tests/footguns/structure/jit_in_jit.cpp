// right: a jit function inside another.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(jit_in_jit) {
  Jit& inner = log.jit([](const Tensor& x) { return x * 2; }, {"x"});
  Jit& f = log.jit([&](const Tensor& x) { return inner({{x + 1}})[0] - 1; }, {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3}, i));
}
