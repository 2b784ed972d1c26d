// right: an inner function that is also called alone, before and after.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(nested_twice) {
  Jit& inner = log.jit([](const Tensor& x) { return x * 2; }, {"x"});
  Jit& f = log.jit([&](const Tensor& x) { return inner({{inner({{x}})[0]}})[0] - 1; }, {"x"});
  for (int i = 1; i < 5; ++i) {
    log.call(inner, ramp({3}, i));
    log.call(f, ramp({3}, i));
  }
}
