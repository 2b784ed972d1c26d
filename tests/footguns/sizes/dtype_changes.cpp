// retraces: 3 / 2 is 1.5 whatever the type was that the function saw first, and sums of integers
// are i64.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(dtype_changes) {
  Jit& f = log.jit([](const Tensor& x) { return std::tuple(x / 2, sum(x), x + 1); }, {"x"});
  for (int i = 0; i < 3; ++i) {
    for (DType t : {DType::F32, DType::I32, DType::F64, DType::U8, DType::Bool}) {
      log.call(f, ramp({3}).to(t));
    }
  }
}
