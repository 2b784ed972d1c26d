// right: a branch on whether two handles are one tensor is decided anew for each way to call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(handle_identity) {
  Jit& f =
      log.jit([](const Tensor& a, const Tensor& b) { return a.impl() == b.impl() ? a * 2 : a + b; },
              {"a", "b"});
  Tensor x = ramp({2}), y = ramp({2}, 5);
  for (int i = 0; i < 3; ++i) {
    log.call(f, x, x);
    log.call(f, x, y);
  }
}
