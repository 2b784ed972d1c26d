// right: a result that is the input is the input, so writing it writes the input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(output_is_input) {
  Jit& f = log.jit([](const Tensor& x) { return std::tuple(x, x * 2); }, {"x"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({3}, i);
    std::vector<Tensor> y = log.call(f, x);
    y[0].fill_(-1);
    log.emit("x", x);
  }
}
