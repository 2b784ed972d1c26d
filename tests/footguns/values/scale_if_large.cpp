// retraces: a bool computed from two items with && decides as C++ does, in its order.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(scale_if_large) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Traced<float> top = amax(x).item<float>(), low = amin(x).item<float>();
        if (top > 2 && low > 1) return x / top;
        if (top > 2 || low < 0) return x * low;
        return x + 1;
      },
      {"x"});
  for (double s : {1.0, 1.0, 2.0, 2.0, 0.1, 0.1, -1.0, -1.0, 3.0, 0.2, 1.0})
    log.call(f, ramp({3}, s));
}
