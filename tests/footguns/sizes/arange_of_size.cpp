// retraces: arange and full as long as the input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(arange_of_size) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return std::tuple(x + arange(x.size(0), DType::F32), full({x.size(0)}, 2.5) * x);
      },
      {"x"});
  for (int64_t n : {4, 4, 4, 6, 6, 6, 11, 1, 0, 4}) log.call(f, ramp({n}));
}
