// right, eager: a vector<double> that is walked from call to call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(schedule) {
  const std::vector<double> schedule = {1, 0.5, 0.25, 0.125};
  size_t step = 0;
  Jit& f = log.jit([&](const Tensor& x) { return x * schedule[step++ % 4]; }, {"x"});
  for (int i = 0; i < 6; ++i) log.call(f, ramp({2}));
}
