// right: a function that only writes state.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(no_results) {
  Tensor total = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        return std::tuple<>();
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
  log.emit("total", total);
}
