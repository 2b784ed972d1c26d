// right: both courses of a value are one recording.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(cond_in_jit) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return cond(sum(x) > 0, [&] { return x * 2; }, [&] { return x - 1; });
      },
      {"x"});
  for (double s : {1, -1, 2, -2, 3, -3}) log.call(f, ramp({3}, s));
}
