// retraces: a jit function that calls itself.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(recursion) {
  Jit* self = nullptr;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        if (x.size(0) < 2) return x * 1;
        const int64_t half = x.size(0) / 2;
        Tensor left = (*self)({{x.slice(0, 0, half)}})[0];
        Tensor right = (*self)({{x.slice(0, half, x.size(0))}})[0];
        return concat({left + 1, right * 2}, 0);
      },
      {"x"});
  self = &f;
  for (int64_t n : {4, 4, 4, 8, 8, 8, 4}) log.call(f, ramp({n}));
}
