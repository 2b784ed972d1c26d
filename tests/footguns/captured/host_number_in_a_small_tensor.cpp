// right, eager: scalar_tensor() of a host variable.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(host_number_in_a_small_tensor) {
  float bias = 0;
  Jit& f = log.jit([&](const Tensor& x) { return x + scalar_tensor(bias, DType::F32); }, {"x"});
  for (int i = 0; i < 5; ++i) {
    bias += 1;
    log.call(f, ramp({2}));
  }
}
