// right, eager: an error that the function itself catches, and goes on.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(caught_inside) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        try {
          return x * ramp({3}, 0);
        } catch (const UserError&) {
          return x * 2;
        }
      },
      {"x"});
  for (int64_t n : {3, 3, 3, 4, 4, 4, 3}) log.call(f, ramp({n}));
}
