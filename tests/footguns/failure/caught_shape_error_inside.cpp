// right, eager: the same with a captured tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(caught_shape_error_inside) {
  Tensor w = ramp({3}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        try {
          return x * w;
        } catch (const UserError&) {
          return x * 2;
        }
      },
      {"x"});
  for (int64_t n : {3, 3, 3, 4, 4, 4, 5, 1, 3}) log.call(f, ramp({n}));
}
