// right: the host throws on its own account once the course is compiled, before the call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(throw_after_compile) {
  Jit& f = log.jit([](const Tensor& x) { return x / 0 + log10(x); }, {"x"});
  for (double s : {1.0, -1.0, 0.0, 1.0}) log.call(f, ramp({2}, s));
}
