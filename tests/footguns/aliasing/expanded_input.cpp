// retraces: inputs whose elements share memory.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(expanded_input) {
  Jit& f = log.jit([](const Tensor& x) { return x * 2 + sum(x); }, {"x"});
  for (int i = 1; i < 4; ++i) {
    log.call(f, full({4}, i));
    log.call(f, ramp({1}, i).expand({4}));
  }
}
