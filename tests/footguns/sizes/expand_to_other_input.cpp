// retraces: one input expanded to the size of another.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(expand_to_other_input) {
  Jit& f =
      log.jit([](const Tensor& a, const Tensor& b) { return a.expand({b.size(0), 3}) * 2 + b; },
              {"a", "b"});
  for (int64_t n : {4, 4, 5, 5, 6, 1, 0, 7}) log.call(f, ramp({1, 3}), ramp({n, 3}, 0.5));
}
