// right, eager: a float that the caller changes between the first two calls.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(learning_rate) {
  float rate = 1;
  Jit& f = log.jit([&](const Tensor& x) { return x * rate; }, {"x"});
  for (int i = 0; i < 5; ++i) {
    rate *= 0.5F;
    log.call(f, ramp({2}));
  }
}
