// retraces: a captured tensor that is also passed in.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(input_is_state) {
  Tensor w = ramp({3}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.add_(x);
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, i % 2 == 0 ? w : ramp({3}, i));
    log.emit("w", w);
  }
}
