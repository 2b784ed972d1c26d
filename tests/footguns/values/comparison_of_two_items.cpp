// retraces: both sides of a comparison come from tensors.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(comparison_of_two_items) {
  Jit& f = log.jit(
      [](const Tensor& a, const Tensor& b) {
        return sum(a).item<float>() < sum(b).item<float>() ? a : b * 2;
      },
      {"a", "b"});
  for (double s : {2.0, 3.0, 0.5, 0.25, 4.0, 0.1, 0.2}) {
    log.attempt([&] { log.call(f, ramp({2}), ramp({2}, s)); });
  }
}
