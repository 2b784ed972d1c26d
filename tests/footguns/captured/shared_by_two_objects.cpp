// right, eager: one jit function that works for whichever object is current.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(shared_by_two_objects) {
  struct Net {
    Tensor w;
  };
  Net first{ramp({2})}, second{ramp({2}, 10)};
  Net* current = &first;
  Jit& f = log.jit([&](const Tensor& x) { return x * current->w; }, {"x"});
  for (int i = 0; i < 6; ++i) {
    current = i % 2 == 0 ? &first : &second;
    log.call(f, ramp({2}));
  }
}
