// right, eager: two results of which one is a view of the other.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(outputs_share_a_buffer) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 2;
        return std::tuple(y, y.slice(0, 0, 2));
      },
      {"x"});
  for (int i = 1; i < 5; ++i) {
    std::vector<Tensor> y = log.call(f, ramp({3}, i));
    y[1].fill_(-1);
    log.emit("y", y[0]);
  }
}
