// right, eager: peek() is for printing; used as a number it is found by the second real run.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(peek_that_differs_at_once) {
  Jit& f = log.jit(
      [](const Tensor& x) { return x * static_cast<double>(sum(x).item<float>().peek()); }, {"x"});
  for (double s : {1.0, 2.0, 3.0, 4.0}) log.call(f, ramp({3}, s));
}
