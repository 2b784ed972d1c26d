// right: a captured tensor changed in a loop is carried by it.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(scan_accumulates_outside) {
  Tensor total = zeros({2}), steps = zeros({});
  Jit& f = log.jit(
      [&](const Tensor& xs) {
        return scan(
                   [&](const Tensor& h, const Tensor& x) {
                     total.add_(x);
                     steps.add_(ones({}));
                     return std::pair(h + total, h * steps);
                   },
                   zeros({2}), xs, {.reverse = true})
            .second;
      },
      {"xs"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({4, 2}, i));
    log.emit("total", total);
    log.emit("steps", steps);
  }
}
