// right: reshape() of a transposed tensor is a copy, and a write to it stays there.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(copy_of_view_written) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 1;
        Tensor flat = y.t().reshape({6});
        flat.slice(0, 0, 2).mul_(flat.slice(0, 4, 6));
        return std::tuple(flat, y + 1);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({2, 3}, i));
}
