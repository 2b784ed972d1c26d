// right: eager draws between the calls move the same position.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(generator_shared_with_eager) {
  Generator rng(5);
  Jit& f = log.jit([&](const Tensor& x) { return x + rand({2}, rng); }, {"x"});
  for (int i = 0; i < 6; ++i) {
    log.call(f, ramp({2}));
    log.emit("eager", rand({2}, rng));
  }
}
