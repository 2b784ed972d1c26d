// retraces: the same without a raw number.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(integer_division_of_dims) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        const Dim half = x.size(0) / 2;
        return std::tuple(full({half}, 3.0), sum(full({x.size(0) - half}, 2.0)) * x);
      },
      {"x"});
  for (int64_t n : {4, 4, 5, 5, 6, 7, 7, 13, 1, 0}) log.call(f, ramp({n}));
}
