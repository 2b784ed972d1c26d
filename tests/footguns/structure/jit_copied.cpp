// right: copies of a jit function are one function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(jit_copied) {
  Tensor total = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        return total * 1;
      },
      {"x"});
  Jit g = f;
  for (int i = 1; i < 7; ++i) log.call(i % 2 == 0 ? f : g, ramp({2}, i));
}
