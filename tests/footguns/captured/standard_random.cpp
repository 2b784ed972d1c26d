// right, eager: numbers of rand() are host data.
#include <cstdlib>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(standard_random) {
  std::srand(3);
  Jit& f =
      log.jit([](const Tensor& x) { return x * static_cast<double>(std::rand() % 1000); }, {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({2}));
}
