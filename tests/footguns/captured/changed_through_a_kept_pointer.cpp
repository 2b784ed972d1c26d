// right: so does a write through a pointer that was taken before the first call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(changed_through_a_kept_pointer) {
  Tensor w = ramp({3}).clone();
  float* raw = w.data<float>();
  Jit& f = log.jit([&](const Tensor& x) { return x * w; }, {"x"});
  for (int i = 0; i < 6; ++i) {
    raw[1] = static_cast<float>(i);
    log.call(f, ones({3}));
  }
}
