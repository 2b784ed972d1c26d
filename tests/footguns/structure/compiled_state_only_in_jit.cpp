// right, eager: the same where nothing else of the function touches that state.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(compiled_state_only_in_jit) {
  Tensor total = zeros({2}).clone();
  TraceOptions options;
  options.state = {{"total", total}};
  Compiled inner(trace(
      [&](const Tensor& x) {
        total.add_(x);
        return x * 1;
      },
      ramp({2}), options));
  Tensor fixed = ramp({2});
  Jit& f = log.jit(
      [&](const Tensor& x) {
        inner(fixed);
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({2}, i));
    log.emit("total", total);
  }
}
