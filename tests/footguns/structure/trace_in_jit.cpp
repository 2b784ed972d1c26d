// error: a trace inside a jit function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_in_jit) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Compiled inner(trace([](const Tensor& y) { return y * 2; }, x));  // error here
        return inner(x);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3}, i));
}
