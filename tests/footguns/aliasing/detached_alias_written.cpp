// right: detach() shares the memory.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(detached_alias_written) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 2;
        Tensor same = y.detach();
        same.add_(x);
        return std::tuple(y * 1, same * 3);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({2}, i));
}
