// right, eager: a generator that lives in the function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(generator_made_inside) {
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Generator rng(7);
        return x + rand({3}, rng);
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({3}));
}
