// right, eager: seeding inside the function is a write of host data.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(generator_seeded_inside) {
  Generator rng(5);
  uint64_t seed = 0;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        rng.seed(++seed);
        return x + rand({3}, rng);
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({3}));
  log.emit("state", rng.state());
}
