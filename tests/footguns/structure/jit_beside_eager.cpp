// right: jit and eager code write one tensor in turns.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(jit_beside_eager) {
  Tensor total = zeros({2}).clone();
  auto step = [&](const Tensor& x) {
    total.add_(x);
    return total * 1;
  };
  Jit& f = log.jit(step, {"x"});
  for (int i = 1; i < 7; ++i) {
    log.call(f, ramp({2}, i));
    log.emit("eager", step(ramp({2}, 10)));
  }
}
