// retraces: a branch on input() is a guard.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(input_in_a_branch) {
  float rate = 1;
  Jit& f = log.jit(
      [&](const Tensor& x) { return input(rate, "rate") > 0.3 ? x * input(rate, "rate") : -x; },
      {"x"});
  for (int i = 0; i < 8; ++i) {
    rate = i % 3 == 2 ? 0.1F : 0.5F + static_cast<float>(i);
    log.call(f, ramp({2}));
  }
}
