// right, eager: an input that the function changes is changed for the caller.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(input_written) {
  Jit& f = log.jit(
      [](Tensor x) {
        x.add_(x);
        return x * 2;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({3}, i);
    log.call(f, x);
    log.emit("x", x);
  }
}
