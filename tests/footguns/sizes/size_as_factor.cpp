// retraces: a mean written by hand divides by the raw number of elements.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(size_as_factor) {
  Jit& f = log.jit([](const Tensor& x) { return sum(x) / static_cast<double>(int64_t{x.size(0)}); },
                   {"x"});
  for (int64_t n : {4, 4, 4, 6, 6, 4, 9, 9, 9}) log.call(f, ramp({n}));
}
