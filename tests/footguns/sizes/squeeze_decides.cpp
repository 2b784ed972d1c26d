// retraces: squeeze() without axes drops the axes that are 1 in this call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(squeeze_decides) {
  Jit& f = log.jit([](const Tensor& x) { return squeeze(x) * 2; }, {"x"});
  for (int64_t n : {3, 3, 4, 4, 1, 1, 5, 1, 0}) log.call(f, ramp({n, 1, 2}));
}
