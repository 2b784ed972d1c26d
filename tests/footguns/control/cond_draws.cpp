// right: the generator advances in one branch only.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(cond_draws) {
  Generator rng(3);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        return cond(sum(x) > 0, [&] { return x + rand({3}, rng); }, [&] { return x * 1; });
      },
      {"x"});
  for (double s : {1, -1, 2, 3, -2, -4, 5}) log.call(f, ramp({3}, s));
}
