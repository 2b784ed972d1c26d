// right, eager: a captured handle that gets another tensor in each call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(handle_reassigned) {
  Tensor w = ramp({2});
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w = w + x;
        return w * 2;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({2}));
  log.emit("w", w);
}
