// right: the same schedule as a tensor with its position as state.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(schedule_as_tensor) {
  Tensor schedule = tensor<float>({1, 0.5, 0.25, 0.125}), at = zeros({1}, DType::I64).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor rate = index_select(schedule, at, 0);
        at.copy_(remainder(at + 1, scalar_tensor(4, DType::I64)));
        return x * rate;
      },
      {"x"});
  for (int i = 0; i < 7; ++i) log.call(f, ramp({2}));
  log.emit("at", at);
}
