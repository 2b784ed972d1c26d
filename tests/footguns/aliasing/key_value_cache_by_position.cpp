// retraces: the same with a position that the host counts through input().
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(key_value_cache_by_position) {
  Tensor cache = zeros({4, 2}).clone();
  int64_t at = 0;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        const int64_t row = input(at, "at");
        cache.slice(0, row, row + 1).copy_(x);
        return sum(cache, {1});
      },
      {"x"});
  for (int i = 0; i < 12; ++i) {
    at = i % 4;
    log.call(f, ramp({2}, i));
  }
  log.emit("cache", cache);
}
