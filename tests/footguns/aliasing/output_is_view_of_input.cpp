// right, eager: a result that looks into the input.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(output_is_view_of_input) {
  Jit& f = log.jit([](const Tensor& x) { return x.slice(0, 1, 3); }, {"x"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({3}, i);
    log.call(f, x)[0].fill_(-1);
    log.emit("x", x);
  }
}
