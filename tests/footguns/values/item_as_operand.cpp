// right: a number read from a tensor stays part of the graph in arithmetic.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(item_as_operand) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Traced<float> top = amax(x).item<float>(), low = amin(x).item<float>();
        return (x - low) / (top - low + 1);
      },
      {"x"});
  for (double s : {1.0, -2.0, 0.5, 7.0, 0.0}) log.call(f, ramp({4}, s));
}
