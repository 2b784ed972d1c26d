// right, eager: reshape() of an input is a view of it when it can be.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(reshape_of_input_written) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor flat = x.reshape({6});
        flat.mul_(flat);
        return sum(x);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({2, 3}, i);
    log.call(f, x);
    log.emit("x", x);
  }
}
