// retraces: a branch on is_contiguous().
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(contiguity) {
  Jit& f = log.jit([](const Tensor& x) { return x.is_contiguous() ? x * 2 : x * 3; }, {"x"});
  for (int i = 1; i < 4; ++i) {
    log.call(f, ramp({2, 3}, i));
    log.call(f, ramp({3, 2}, i).t());
  }
}
