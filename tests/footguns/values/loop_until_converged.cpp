// retraces: Newton's iteration takes as many steps as the number needs.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(loop_until_converged) {
  Jit& f = log.jit(
      [](const Tensor& a) {
        Tensor x = a * 0.5;
        for (int i = 0; i < 50; ++i) {
          Tensor next = (x + a / x) * 0.5;
          if (abs(next - x).item<float>() < 1e-3) return next;
          x = next;
        }
        return x;
      },
      {"a"});
  for (float v : {4.0F, 4.0F, 5.0F, 4.5F, 90.0F, 91.0F, 4.0F, 90.0F, 2.0F, 2.0F}) {
    log.call(f, scalar_tensor(v, DType::F32));
  }
}
