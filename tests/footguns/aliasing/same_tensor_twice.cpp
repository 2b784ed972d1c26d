// right: one tensor as both inputs.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(same_tensor_twice) {
  Jit& f = log.jit([](const Tensor& a, const Tensor& b) { return a - b * 2; }, {"a", "b"});
  Tensor x = ramp({3}), y = ramp({3}, 5);
  for (int i = 0; i < 3; ++i) {
    log.call(f, x, x);
    log.call(f, x, y);
  }
}
