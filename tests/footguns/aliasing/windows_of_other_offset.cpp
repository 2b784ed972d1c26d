// right: inputs that are windows at different places of one buffer.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(windows_of_other_offset) {
  Jit& f = log.jit([](const Tensor& x) { return x * 2; }, {"x"});
  Tensor table = ramp({12});
  for (int64_t i = 0; i < 9; ++i) log.call(f, table.slice(0, i, i + 3));
}
