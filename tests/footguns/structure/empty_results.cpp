// right: results without elements.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(empty_results) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return std::tuple(x.slice(0, 0, 0) * 2, zeros({0, 3}), sum(x.slice(0, 2, 2)));
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3}, i));
}
