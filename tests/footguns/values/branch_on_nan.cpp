// retraces: a NaN takes the branch that C++ takes with it.
#include <cmath>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(branch_on_nan) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Traced<float> s = sum(x).item<float>();
        if (s > 0) return x * 2;
        if (s <= 0) return x - 1;
        return zeros({2});
      },
      {"x"});
  for (double s : {1.0, 1.0, -1.0, -1.0, std::nan(""), std::nan(""), 2.0, std::nan(""), -4.0}) {
    log.call(f, ramp({2}, s));
  }
}
