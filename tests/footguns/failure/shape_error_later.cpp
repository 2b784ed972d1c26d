// retraces: sizes that do not fit are an error in the call that has them, and only there.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(shape_error_later) {
  Tensor w = ramp({3}).clone();
  Jit& f = log.jit([&](const Tensor& x) { return x * w; }, {"x"});
  for (int64_t n : {3, 3, 3, 4, 3, 1, 5, 4, 3}) log.attempt([&] { log.call(f, ramp({n})); });
}
