// retraces: a count read from a tensor as a number of steps.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(item_as_loop_count) {
  Jit& f = log.jit(
      [](const Tensor& x, const Tensor& n) {
        Tensor y = x;
        for (int64_t i = 0; i < n.item<int64_t>(); ++i) y = y * y + 1;
        return y + 0;
      },
      {"x", "n"});
  for (int64_t n : {1, 1, 2, 2, 3, 3, 0, 0, 2, 1})
    log.call(f, ramp({2}, 0.3), scalar_tensor(n, DType::I64));
}
