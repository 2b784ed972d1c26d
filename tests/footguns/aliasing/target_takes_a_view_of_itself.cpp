// right: y.copy_(y.t()), and what handles from before look at after it.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(target_takes_a_view_of_itself) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 1;
        Tensor turned = y.t(), corner = y.slice(0, 0, 1);
        y.copy_(turned);
        return std::tuple(y * 1, turned * 1, corner * 1);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3, 3}, i));
}
