// right, eager: recursion in a call that passes one tensor with gradients twice.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(recursion_with_a_gradient_twice) {
  Jit* self = nullptr;
  Jit& f = log.jit(
      [&](const Tensor& a, const Tensor& b) {
        if (a.size(0) == 1) return (a + b).detach();
        const Tensor in[] = {a.slice(0, 0, 1), b.slice(0, 0, 1)};
        return (*self)(std::span<const Tensor>(in))[0] * 2;
      },
      {"a", "b"});
  self = &f;
  for (int i = 1; i < 4; ++i) {
    Tensor x = ramp({2}, i).requires_grad_();
    log.call(f, x, x);
  }
}
