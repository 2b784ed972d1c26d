// right: state that the function itself writes, and the host through a pointer in between.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(result_written_through_a_kept_pointer) {
  Tensor total = zeros({2}).clone();
  float* raw = total.data<float>();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        return total * 2;
      },
      {"x"});
  for (int i = 0; i < 6; ++i) {
    raw[0] += 100;
    log.call(f, ramp({2}));
    log.emit("total", total);
  }
}
