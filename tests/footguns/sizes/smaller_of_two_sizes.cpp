// retraces: std::min of raw sizes, and min of Dims.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(smaller_of_two_sizes) {
  Jit& f = log.jit(
      [](const Tensor& a, const Tensor& b) {
        const int64_t n = std::min<int64_t>(a.size(0), b.size(0));
        return std::tuple(a.slice(0, 0, n) + b.slice(0, 0, n),
                          ones({min(a.size(0), b.size(0))}) * 3);
      },
      {"a", "b"});
  for (auto [n, m] : {std::pair{4, 6}, {4, 6}, {4, 6}, {6, 4}, {6, 4}, {5, 5}, {5, 5}, {4, 7}}) {
    log.call(f, ramp({n}), ramp({m}, -2));
  }
}
