// retraces: the number of elements above a limit decides the size of a result.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(output_used_as_size) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        const int64_t n = sum((x > 2).to(DType::I64)).item<int64_t>();
        return full({n}, 1.5) + n;
      },
      {"x"});
  for (double s : {1.0, 1.0, 1.0, 2.0, 2.0, 0.1, 0.1, 1.0}) log.call(f, ramp({4}, s));
}
