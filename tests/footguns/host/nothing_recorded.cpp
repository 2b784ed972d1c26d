// right: a function that returns its input and computes nothing.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(nothing_recorded) {
  Jit& f = log.jit([](const Tensor& x) { return x; }, {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({2}, i));
}
