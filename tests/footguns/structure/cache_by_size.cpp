// retraces: a mask that is made anew whenever the size changes.
#include <map>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(cache_by_size) {
  std::map<int64_t, Tensor> masks;
  for (int64_t n : {3, 4, 5}) masks[n] = ramp({n}, 0.5);
  Jit& f = log.jit([&](const Tensor& x) { return x * masks.at(x.size(0)); }, {"x"});
  for (int64_t n : {3, 3, 3, 4, 4, 4, 5, 5, 5, 3, 4, 5}) log.call(f, ramp({n}));
}
