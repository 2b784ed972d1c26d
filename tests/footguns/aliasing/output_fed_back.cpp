// right: the result of a call is the input of the next.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(output_fed_back) {
  Jit& f = log.jit([](const Tensor& x) { return x * 0.5 + 1; }, {"x"});
  Tensor x = ramp({3});
  for (int i = 0; i < 8; ++i) x = log.call(f, x)[0];
}
