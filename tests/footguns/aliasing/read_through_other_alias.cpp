// right: written through one alias, read through another that was made before.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(read_through_other_alias) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 1;
        Tensor early = y.slice(0, 1, 3), flat = y.reshape({6});
        Tensor before = early * 1;
        flat.mul_(flat);
        return std::tuple(before, early + 1, y - 1);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3, 2}, i));
}
