// error: NoRetrace turns a run that would be needed into an error at the caller's line.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(no_retrace) {
  Jit& f = log.jit([](const Tensor& x) { return sum(x).item<float>() > 0 ? x * 2 : x * 3; }, {"x"});
  Tensor x = ramp({2}), y = ramp({2}, -1);
  for (int i = 0; i < 3; ++i) log.emit("y", f({&x, 1})[0]);
  NoRetrace strict;
  log.emit("y", f({&x, 1})[0]);
  log.emit("y", f({&y, 1})[0]);  // error here
}
