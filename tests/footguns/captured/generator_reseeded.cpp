// right: and begins anew when it is seeded between calls.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(generator_reseeded) {
  Generator rng(5);
  Jit& f = log.jit([&](const Tensor& x) { return x + rand({3}, rng) + rand({3}, rng); }, {"x"});
  for (int i = 0; i < 8; ++i) {
    if (i == 3 || i == 5) rng.seed(static_cast<uint64_t>(i));
    log.call(f, ramp({3}));
  }
}
