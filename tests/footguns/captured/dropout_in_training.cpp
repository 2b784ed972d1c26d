// right: a new mask at each call, and the same as eager's.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(dropout_in_training) {
  Generator rng(6);
  nn::Dropout drop(0.5, rng);
  Jit& f = log.jit([&](const Tensor& x) { return drop(drop(x)) + rand({8}, rng); }, {"x"});
  for (int i = 0; i < 6; ++i) log.call(f, ones({8}));
}
