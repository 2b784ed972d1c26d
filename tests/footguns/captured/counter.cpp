// right, eager: an int that the function counts up is found by the second real run.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(counter) {
  int count = 0;
  Jit& f = log.jit([&](const Tensor& x) { return x * static_cast<double>(++count); }, {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({2}));
  log.emit("count", count);
}
