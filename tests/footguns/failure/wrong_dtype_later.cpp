// retraces: integers where only floating numbers work.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(wrong_dtype_later) {
  Jit& f = log.jit([](const Tensor& x) { return bitwise_and(x, x) + 1; }, {"x"});
  for (DType t : {DType::I32, DType::I32, DType::I32, DType::F32, DType::I64, DType::I32}) {
    log.attempt([&] { log.call(f, ramp({3}).to(t)); });
  }
}
