// right: two captured tensors are swapped through a third.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(swap_of_two_states) {
  Tensor a = ramp({2}).clone(), b = ramp({2}, 10).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor keep = a.clone();
        a.copy_(b);
        b.copy_(keep + x);
        return a - b;
      },
      {"x"});
  for (int i = 1; i < 7; ++i) log.call(f, ramp({2}, i));
  log.emit("a", a);
  log.emit("b", b);
}
