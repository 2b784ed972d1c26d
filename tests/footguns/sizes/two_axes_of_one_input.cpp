// retraces: both axes change, sometimes to the same number.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(two_axes_of_one_input) {
  Jit& f = log.jit([](const Tensor& x) { return x.size(0) == x.size(1) ? x + x.t() : sum(x, {0}); },
                   {"x"});
  for (auto [n, m] :
       {std::pair{2, 3}, {2, 3}, {3, 4}, {4, 4}, {4, 4}, {5, 5}, {5, 6}, {6, 6}, {1, 1}}) {
    log.call(f, ramp({n, m}));
  }
}
