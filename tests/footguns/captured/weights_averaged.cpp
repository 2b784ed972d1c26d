// right: an average of the weights that is moved along, used by no result.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(weights_averaged) {
  Tensor w = ramp({2}).clone(), average = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        w.sub_(x * 0.1);
        average.copy_(average * 0.9 + w * 0.1);
        return sum(w);
      },
      {"x"});
  for (int i = 0; i < 6; ++i) {
    log.call(f, ramp({2}, i));
    log.emit("average", average);
  }
}
