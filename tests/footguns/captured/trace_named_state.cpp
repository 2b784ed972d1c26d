// right: named state is written in place by the compiled program.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_named_state) {
  Tensor total = zeros({2}).clone();
  TraceOptions options;
  options.state = {{"total", total}};
  Compiled f(trace(
      [&](const Tensor& x) {
        total.add_(x);
        return total * 2;
      },
      ramp({2}), options));
  for (int i = 0; i < 4; ++i) {
    log.emit("y", f(ramp({2}, i)));
    log.emit("total", total);
  }
}
