// retraces: select() beyond the end of a shorter input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(slice_of_too_small_input) {
  Jit& f = log.jit([](const Tensor& x) { return x.select(0, 3) * 2; }, {"x"});
  for (int64_t n : {5, 5, 6, 6, 4, 3, 7, 2, 5}) log.attempt([&] { log.call(f, ramp({n, 2})); });
}
