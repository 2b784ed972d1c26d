// right: a tensor that the lambda owns.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(mutable_tensor_in_lambda) {
  Jit& f = log.jit(
      [h = zeros({2}).clone()](const Tensor& x) mutable {
        h.mul_(scalar_tensor(0.5, DType::F32)).add_(x);
        return h * 1;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
