// retraces: the same with dim_tensor stays symbolic.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(size_as_tensor) {
  Jit& f =
      log.jit([](const Tensor& x) { return sum(x) / dim_tensor(x.size(0), DType::F32); }, {"x"});
  for (int64_t n : {4, 4, 6, 6, 6, 9, 12, 15, 1, 0}) log.call(f, ramp({n}));
}
