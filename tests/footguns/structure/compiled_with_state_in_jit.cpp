// right, eager: the program writes state that the function reads.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(compiled_with_state_in_jit) {
  Tensor total = zeros({2}).clone();
  TraceOptions options;
  options.state = {{"total", total}};
  Compiled inner(trace(
      [&](const Tensor& x) {
        total.add_(x);
        return x * 1;
      },
      ramp({2}), options));
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor before = total * 1;
        inner(ramp({2}));
        return std::tuple(before * x, total * x);
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
  log.emit("total", total);
}
