// right, eager: the previous call's input, kept by the function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(input_kept_inside) {
  Tensor last = zeros({2});
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor y = x - last;
        last = x;
        return y;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
