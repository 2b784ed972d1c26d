// retraces: numel() of a flattened tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(numel_as_divisor) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor flat = x.reshape({x.numel()});
        return sum(flat * flat) / dim_tensor(x.numel(), DType::F32);
      },
      {"x"});
  for (int64_t n : {3, 3, 4, 4, 5, 6, 6, 1, 8}) log.call(f, ramp({n, n}));
}
