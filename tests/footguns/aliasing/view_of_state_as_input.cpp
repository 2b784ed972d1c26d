// retraces: so is a view of it.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(view_of_state_as_input) {
  Tensor w = ramp({4}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.slice(0, 0, 2).mul_(x);
        return x + w.slice(0, 2, 4);
      },
      {"x"});
  for (int i = 0; i < 3; ++i) log.call(f, ramp({2}, i + 1));
  for (int i = 0; i < 3; ++i) {
    log.call(f, w.slice(0, 1, 3));
    log.emit("w", w);
  }
}
