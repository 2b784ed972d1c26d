// documented limit: peek() used as a number, where two calls see the same one before it changes.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(peek_as_number) {
  Jit& f = log.jit(
      [](const Tensor& x) { return x * static_cast<double>(sum(x).item<float>().peek()); }, {"x"});
  for (double s : {1.0, 1.0, 2.0, 3.0}) log.call(f, ramp({3}, s));
}
