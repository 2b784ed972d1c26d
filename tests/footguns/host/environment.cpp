// right, eager: a variable of the environment that changes from call to call.
#include <cstdlib>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(environment) {
  Jit& f = log.jit(
      [](const Tensor& x) { return x * std::atof(std::getenv("ETCH_FOOTGUN_FACTOR")); }, {"x"});
  for (int i = 1; i < 6; ++i) {
    setenv("ETCH_FOOTGUN_FACTOR", std::to_string(i).c_str(), 1);
    log.call(f, ramp({2}, i));
  }
}
