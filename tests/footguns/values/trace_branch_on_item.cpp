// error: a traced program refuses inputs that would have taken the other branch.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_branch_on_item) {
  Compiled f(trace(
      [](const Tensor& x) {
        if (sum(x).item<float>() > 0) return x * 2;  // error here
        return x - 1;
      },
      ramp({3})));
  log.emit("y", f(ramp({3}, 4)));
  log.emit("y", f(ramp({3}, -1)));
}
