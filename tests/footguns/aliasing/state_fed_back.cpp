// right: the same with state that is both returned and read.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(state_fed_back) {
  Tensor h = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor next = h * 0.5 + x;
        h.copy_(next);
        return next;
      },
      {"x"});
  Tensor x = ramp({2});
  for (int i = 0; i < 6; ++i) x = log.call(f, x)[0];
  log.emit("h", h);
}
