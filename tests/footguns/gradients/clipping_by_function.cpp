// right: clipping by the library's function, where no branch looks at the norm.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(clipping_by_function) {
  Tensor w = ramp({3}).requires_grad_();
  optim::SGD sgd({{"w", w}}, 0.01);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.zero_grad();
        sum(w * x * x).backward();
        Tensor norm = nn::utils::clip_grad_norm_({{"w", w}}, 5);
        sgd.step();
        return norm;
      },
      {"x"});
  for (int i = 1; i < 10; ++i) {
    log.call(f, ramp({3}, i % 3 + 0.5));
    log.emit("grad", w.grad());
    log.emit("w", w);
  }
}
