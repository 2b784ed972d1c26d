// right: the same counter as a tensor goes on in replays.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(counter_as_tensor) {
  Tensor count = zeros({}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        count.add_(scalar_tensor(1, DType::F32));
        return x * 2;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({2}));
  log.emit("count", count);
}
