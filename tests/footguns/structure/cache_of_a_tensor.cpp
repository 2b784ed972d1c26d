// right, eager: a cache that the first run fills from its input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(cache_of_a_tensor) {
  Tensor cache;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        if (!cache.defined()) cache = x * 10;
        return x + cache;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
