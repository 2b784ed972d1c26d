// retraces: a bool tensor in an if.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(bool_item) {
  Jit& f = log.jit(
      [](const Tensor& x, const Tensor& flag) {
        if (flag.item<bool>()) return x * 2;
        return -x;
      },
      {"x", "flag"});
  for (bool b : {true, true, true, false, false, true, false}) {
    log.call(f, ramp({2}), scalar_tensor(b, DType::Bool));
  }
}
