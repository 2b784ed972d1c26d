// retraces: a size kept as a Dim becomes a symbol at second sight, and then fits every size.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(reshape_to_dim) {
  Jit& f = log.jit([](const Tensor& x) { return x.reshape({x.size(0) * 2, -1}) * 2; }, {"x"});
  for (int64_t n : {3, 3, 3, 5, 5, 4, 9, 2, 31, 1}) log.call(f, ramp({n, 4}));
}
