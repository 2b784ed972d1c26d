// right: eager refuses a backward pass over a tensor that was changed, and so does every call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(saved_for_backward_then_written) {
  Tensor w = ramp({2}).requires_grad_();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor y = w * x;
        Tensor z = y * y;
        {
          NoGrad no_grad;
          y.add_(x);
        }
        sum(z).backward();
        return y.detach();
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.attempt([&] { log.call(f, ramp({2}, i)); });
}
