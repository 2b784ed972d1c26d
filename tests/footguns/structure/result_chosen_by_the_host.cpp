// right, eager: the same operators in each run, of which the host returns another one.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(result_chosen_by_the_host) {
  int call = 0;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor a = x * 2, b = x + 1;
        return ++call % 2 == 0 ? a : b;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
