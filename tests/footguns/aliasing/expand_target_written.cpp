// right: writing an expanded tensor is an error in eager, and the same error in a replay.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(expand_target_written) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = (x * 2).expand({3, 2});
        y.add_(x);
        return y * 1;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.attempt([&] { log.call(f, ramp({1, 2}, i)); });
}
