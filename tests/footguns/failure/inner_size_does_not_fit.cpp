// retraces: the same for a matrix product with a dynamic batch.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(inner_size_does_not_fit) {
  Tensor w = ramp({3, 2}).clone();
  Jit& f = log.jit([&](const Tensor& x) { return matmul(x, w); }, {"x"});
  for (auto [n, k] : {std::pair{2, 3}, {2, 3}, {4, 3}, {4, 3}, {4, 2}, {5, 3}, {3, 4}, {6, 3}}) {
    log.attempt([&] { log.call(f, ramp({n, k})); });
  }
}
