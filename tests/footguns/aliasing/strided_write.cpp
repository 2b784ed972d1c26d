// right: a target with a step, and a negative index.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(strided_write) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x.clone();
        y.slice(0, 1, INT64_MAX, 3).mul_(scalar_tensor(-1, DType::F32));
        y.select(0, -1).fill_(8);
        y.index({Index::range(0, 4, 2)}).add_(x.index({Index::range(4, 8, 2)}));
        return y;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({9}, i));
}
