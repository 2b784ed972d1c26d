// retraces: a captured tensor is passed in once the course is confirmed.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(input_becomes_state) {
  Tensor w = ramp({3}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.add_(x);
        return x * 2;
      },
      {"x"});
  for (int i = 0; i < 3; ++i) log.call(f, ramp({3}, i));
  for (int i = 0; i < 3; ++i) {
    log.call(f, w);
    log.emit("w", w);
  }
}
