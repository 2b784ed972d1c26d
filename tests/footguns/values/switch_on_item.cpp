// retraces: a switch has one course for each case that occurs.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(switch_on_item) {
  Jit& f = log.jit(
      [](const Tensor& x, const Tensor& mode) {
        switch (int64_t{mode.item<int64_t>()}) {
          case 0:
            return x + 1;
          case 1:
            return x * 2;
          default:
            return x * x;
        }
      },
      {"x", "mode"});
  for (int64_t m : {0, 0, 1, 1, 5, 5, 6, 6, 0, 1, 5})
    log.call(f, ramp({2}), scalar_tensor(m, DType::I64));
}
