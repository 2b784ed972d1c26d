// retraces: a size that went through an int64_t before a reshape is guarded, not baked.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(reshape_to_raw_size) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        const int64_t rows = x.size(0) * 2;
        return x.reshape({rows, -1}) * 2;
      },
      {"x"});
  for (int64_t n : {3, 3, 3, 5, 5, 3, 7, 7}) log.call(f, ramp({n, 4}));
}
