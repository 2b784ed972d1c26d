// right, eager: a branch on whether an optional tensor is there.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(tensor_defined_later) {
  Tensor bias;
  Jit& f = log.jit([&](const Tensor& x) { return bias.defined() ? x + bias : x * 2; }, {"x"});
  for (int i = 1; i < 5; ++i) {
    log.call(f, ramp({2}, i));
    bias = ramp({2}, 10);
  }
}
