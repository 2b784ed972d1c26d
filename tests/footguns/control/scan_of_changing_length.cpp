// retraces: the length of a sequence becomes a symbol.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(scan_of_changing_length) {
  Tensor decay = full({}, 0.5);
  Jit& f = log.jit(
      [&](const Tensor& xs) {
        return scan(
                   [&](const Tensor& h, const Tensor& x) {
                     Tensor next = h * decay + x;
                     return std::pair(next, next);
                   },
                   zeros({2}), xs)
            .second;
      },
      {"xs"});
  for (int64_t n : {3, 3, 5, 4, 1, 2, 7}) log.call(f, ramp({n, 2}));
  decay.copy_(full({}, 0.25));
  for (int64_t n : {3, 6}) log.call(f, ramp({n, 2}));
}
