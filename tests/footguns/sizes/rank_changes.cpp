// retraces: a function that takes vectors and matrices.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(rank_changes) {
  Jit& f = log.jit([](const Tensor& x) { return x.dim() == 1 ? x * 2 : sum(x, {0}); }, {"x"});
  for (int i = 0; i < 3; ++i) {
    log.call(f, ramp({4}));
    log.call(f, ramp({2, 4}));
    log.call(f, ramp({2, 2, 2}));
  }
}
