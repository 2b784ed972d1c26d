// error: the host decides inside a branch of the graph.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_item_in_a_branch) {
  Compiled f(trace(
      [](const Tensor& x) {
        return cond(
            sum(x) > 0,
            [&] {
              Tensor y = x * 2;
              if (sum(y).item<float>() > 4) return y;  // error here
              return x;
            },
            [&] { return x - 1; });
      },
      ramp({3})));
  log.emit("y", f(ramp({3}, 4)));
}
