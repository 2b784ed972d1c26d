// right: a cache of keys that is written at a position kept in a tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(key_value_cache) {
  Tensor cache = zeros({6, 2}).clone(), at = zeros({1}, DType::I64).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor here = eq(arange(Dim(6)).reshape({6, 1}), at);
        cache.copy_(where(here, x, cache));
        at.add_(scalar_tensor(1, DType::I64));
        return sum(cache, {1});
      },
      {"x"});
  for (int i = 1; i < 7; ++i) log.call(f, ramp({2}, i));
  log.emit("cache", cache);
}
