// retraces: a C++ number takes the type of the operand that it meets in this call.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(scalars_promote) {
  Jit& f = log.jit([](const Tensor& a, const Tensor& b) { return a * 3 + b * 0.5; }, {"a", "b"});
  for (int i = 0; i < 3; ++i) {
    log.call(f, ramp({2}).to(DType::I32), ramp({2}));
    log.call(f, ramp({2}).to(DType::Bool), ramp({2}).to(DType::F64));
    log.call(f, ramp({2}).to(DType::U8), ramp({2}).to(DType::I64));
  }
}
