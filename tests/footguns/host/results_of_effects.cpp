// right: with those effects, the results are right all the same.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(results_of_effects) {
  std::vector<int> pushed;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        pushed.push_back(1);
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
