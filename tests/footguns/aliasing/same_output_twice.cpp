// right: one tensor returned twice is one tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(same_output_twice) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 2;
        return std::tuple(y, y, x + 1);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) {
    std::vector<Tensor> y = log.call(f, ramp({3}, i));
    y[1].fill_(-1);
    for (const Tensor& t : y) log.emit("y", t);
  }
}
