// right, eager: the same on a path that the first calls do not take.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(raw_float_behind_branch) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        if (sum(x).item<float>() < 100) return x * 2;
        const float s = amax(x).item<float>();
        return x / static_cast<double>(s);
      },
      {"x"});
  for (double s : {1.0, 1.0, 1.0, 50.0, 60.0, 1.0, 70.0}) log.call(f, ramp({3}, s));
}
