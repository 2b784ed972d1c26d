// right, eager: a captured tensor that the function turns into a leaf.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(requires_grad_set_inside) {
  Tensor w = ramp({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.requires_grad_(!w.requires_grad());
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.call(f, ramp({2}, i));
    log.emit("requires grad", w.requires_grad());
  }
}
