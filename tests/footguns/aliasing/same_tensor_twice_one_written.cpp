// right, eager: a write to one of two inputs that are the same tensor.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(same_tensor_twice_one_written) {
  Jit& f = log.jit(
      [](Tensor a, const Tensor& b) {
        a.add_(b);
        return a * b;
      },
      {"a", "b"});
  for (int i = 1; i < 5; ++i) {
    Tensor x = ramp({3}, i);
    log.call(f, x, x);
    log.emit("x", x);
  }
}
