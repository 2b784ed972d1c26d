// right, eager: an inner function that stays eager makes the outer one so.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(eager_inner_in_jit) {
  int count = 0;
  Jit& inner = log.jit([&](const Tensor& x) { return x * static_cast<double>(++count); }, {"x"});
  Jit& f = log.jit([&](const Tensor& x) { return inner({{x}})[0] + 1; }, {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({3}, i));
}
