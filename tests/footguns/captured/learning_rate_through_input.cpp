// right: through input() it is read again at each call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(learning_rate_through_input) {
  float rate = 1;
  int64_t steps = 0;
  Jit& f = log.jit([&](const Tensor& x) { return x * input(rate, "rate") + input(steps, "steps"); },
                   {"x"});
  for (int i = 0; i < 6; ++i) {
    rate *= 0.5F;
    steps += i;
    log.call(f, ramp({2}));
  }
}
