// right, eager: results whose order the host decides without a guard.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(results_in_another_order) {
  int call = 0;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        ++call;
        return call % 2 == 0 ? std::tuple(x * 2, x + 1) : std::tuple(x + 1, x * 2);
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
