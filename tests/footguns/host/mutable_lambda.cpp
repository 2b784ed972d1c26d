// right, eager: state that the lambda owns.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(mutable_lambda) {
  Jit& f =
      log.jit([n = 0](const Tensor& x) mutable { return x * static_cast<double>(++n); }, {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
