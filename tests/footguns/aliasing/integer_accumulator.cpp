// right: an in-place sum keeps the type of its target.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(integer_accumulator) {
  Tensor count = zeros({2}, DType::I32).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        count.add_(x);
        count.mul_(scalar_tensor(1.5, DType::F32));
        return count * 1;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) {
    log.attempt([&] { log.call(f, ramp({2}, i * 0.7)); });
    log.emit("count", count);
  }
}
