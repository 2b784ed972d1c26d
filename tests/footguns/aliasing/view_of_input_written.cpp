// right, eager: through a view as well.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(view_of_input_written) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor corner = x.slice(0, 0, 1).slice(1, 1, 3);
        corner.fill_(9);
        return sum(x);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({2, 3}, i);
    log.call(f, x);
    log.emit("x", x);
  }
}
