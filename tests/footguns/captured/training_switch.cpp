// retraces: train() and eval() between calls.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(training_switch) {
  Generator rng(4);
  nn::Dropout drop(0.5, rng);
  Jit& f = log.jit([&](const Tensor& x) { return drop(x) * 2; }, {"x"});
  for (bool training : {true, true, true, false, false, true, false, true}) {
    drop.train(training);
    log.call(f, ones({16}));
  }
}
