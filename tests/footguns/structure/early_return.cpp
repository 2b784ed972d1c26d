// retraces: returns in the middle, in a loop and at the end.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(early_return) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 2;
        if (amax(y).item<float>() > 50) return y;
        for (int i = 0; i < 4; ++i) {
          y = y * y;
          if (amax(y).item<float>() > 50) return y - 1;
        }
        return y + 1;
      },
      {"x"});
  for (double s : {0.1, 0.1, 1.0, 1.0, 3.0, 3.0, 40.0, 40.0, 0.2, 1.5, 50.0, 0.1})
    log.call(f, ramp({2}, s));
}
