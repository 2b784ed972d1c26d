// right: the number of trips is the value's affair.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(while_until_converged) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return while_loop([](const Tensor& v) { return amax(v) > 1; },
                          [](const Tensor& v) { return v / 2; }, x);
      },
      {"x"});
  for (double s : {1.0, 100.0, 3.0, 1e6, 0.25, 7.0}) log.call(f, ramp({3}, s));
}
