// right, eager: a number taken from strides().
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(strides) {
  Jit& f = log.jit([](const Tensor& x) { return x * static_cast<double>(x.strides()[0]); }, {"x"});
  for (int i = 1; i < 4; ++i) {
    log.call(f, ramp({2, 3}, i));
    log.call(f, ramp({3, 2}, i).t());
  }
}
