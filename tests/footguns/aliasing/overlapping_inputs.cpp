// right: two inputs that look into one buffer.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(overlapping_inputs) {
  Jit& f = log.jit([](const Tensor& a, const Tensor& b) { return a * b + 1; }, {"a", "b"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({6}, i);
    log.call(f, x.slice(0, 0, 4), x.slice(0, 2, 6));
  }
}
