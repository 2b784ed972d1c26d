// retraces: running statistics that no result depends on move in replays, and evaluation uses them.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(batch_norm_statistics) {
  nn::BatchNorm2d norm(2);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        NoGrad no_grad;
        return norm(x);
      },
      {"x"});
  for (bool training : {true, true, true, true, false, false, false, true, false}) {
    norm.train(training);
    log.call(f, ramp({2, 2, 2, 2}, training ? 1 : 2));
    log.emit("mean", norm.running_mean);
    log.emit("var", norm.running_var);
  }
}
