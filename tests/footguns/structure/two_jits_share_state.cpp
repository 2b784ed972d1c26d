// right: two jit functions that read and write one tensor in turns.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(two_jits_share_state) {
  Tensor total = zeros({2}).clone();
  Jit& add_to = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        return total * 1;
      },
      {"x"});
  Jit& scale = log.jit(
      [&](const Tensor& x) {
        total.mul_(x);
        return total + 1;
      },
      {"x"});
  for (int i = 1; i < 7; ++i) {
    log.call(add_to, ramp({2}, i));
    log.call(scale, ramp({2}, 0.5));
    if (i == 4) total.fill_(1);
  }
  log.emit("total", total);
}
