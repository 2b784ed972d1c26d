// right: a function whose result does not depend on the statistics that it moves.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(statistics_only) {
  nn::BatchNorm2d norm(2);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        NoGrad no_grad;
        norm(x);
        return x * 2;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({2, 2, 2, 2}, i + 1));
  log.emit("mean", norm.running_mean);
  log.emit("var", norm.running_var);
}
