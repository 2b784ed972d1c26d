// right, eager: and of which the host returns the input or a copy of it.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(alias_chosen_by_the_host) {
  int call = 0;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor same = x.clone();
        return ++call == 2 ? same : x;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    Tensor x = ramp({2}, i);
    log.call(f, x)[0].fill_(-1);
    log.emit("x", x);
  }
}
