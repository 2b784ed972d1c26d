// right: a captured generator goes on in replays.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(generator) {
  Generator rng(5);
  Jit& f = log.jit([&](const Tensor& x) { return x + randn({3}, rng); }, {"x"});
  for (int i = 0; i < 6; ++i) log.call(f, ramp({3}));
  log.emit("state", rng.state());
}
