// right: zero_grad inside also clears what the loss does not use.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(zero_grad_of_unused_parameter) {
  Tensor w = ramp({3}).requires_grad_(), unused = ramp({3}).requires_grad_();
  optim::SGD sgd({{"w", w}, {"unused", unused}}, 0.01);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        sgd.zero_grad();
        Tensor loss = sum(w * w * x);
        loss.backward();
        sgd.step();
        return loss.detach();
      },
      {"x"});
  for (int i = 1; i < 7; ++i) {
    if (i > 2) sum(unused * unused).backward();
    log.call(f, ramp({3}));
    log.emit("w.grad", w.grad());
    log.emit("unused.grad", unused.grad());
  }
}
