// right: a captured tensor that looks like a constant.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(constant_folded) {
  Tensor scale = scalar_tensor(2, DType::F32).clone();
  Jit& f = log.jit([&](const Tensor& x) { return x * (scale * scale + 1); }, {"x"});
  for (int i = 0; i < 6; ++i) {
    if (i > 2) scale.fill_(i);
    log.call(f, ramp({2}));
  }
}
