// retraces: a mask as long as the sequence, from two ranges.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(causal_mask) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor i = arange(x.size(0)).reshape({-1, 1}), j = arange(x.size(0)).reshape({1, -1});
        return softmax(where(ge(i, j), matmul(x, x.t()), scalar_tensor(-1e9, DType::F32)), 1);
      },
      {"x"});
  for (int64_t n : {3, 3, 4, 4, 5, 7, 2, 1}) log.call(f, ramp({n, 2}, 0.1));
}
