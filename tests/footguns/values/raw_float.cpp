// right, eager: a floating number that leaves the graph cannot be guarded.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(raw_float) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        const float s = sum(x).item<float>();
        return x * static_cast<double>(s);
      },
      {"x"});
  for (double s : {1.0, 1.0, 2.0, 3.0}) log.call(f, ramp({3}, s));
}
