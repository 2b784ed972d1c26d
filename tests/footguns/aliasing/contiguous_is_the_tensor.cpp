// right: contiguous() and to() of the same type give the tensor itself, so a write shows.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(contiguous_is_the_tensor) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 2;
        y.contiguous().add_(x);
        y.to(DType::F32).mul_(x);
        y.t().contiguous().fill_(0);
        return y * 1;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({2, 3}, i));
}
