// right, eager: reshape() looks into a dense input and copies another, and then it is written.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(layout_decides_what_is_written) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor flat = x.reshape({6});
        flat.add_(scalar_tensor(1, DType::F32));
        return flat * 2;
      },
      {"x"});
  for (int i = 1; i < 8; ++i) {
    Tensor x = i < 5 ? ramp({3, 2}, i).t() : ramp({2, 3}, i);
    log.call(f, x);
    log.emit("x", x);
  }
}
