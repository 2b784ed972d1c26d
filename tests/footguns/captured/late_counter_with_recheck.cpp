// right, eager: JitOptions::recheck finds it, here at each call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(late_counter_with_recheck) {
  double factor = 1;
  JitOptions options;
  options.recheck = 1;
  Jit& f = log.jit([&](const Tensor& x) { return x * factor; }, {"x"}, {}, options);
  for (int i = 0; i < 5; ++i) {
    if (i >= 3) factor = 3;
    log.call(f, ramp({2}));
  }
}
