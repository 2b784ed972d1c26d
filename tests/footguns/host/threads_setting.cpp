// right: the number of threads changes nothing.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(threads_setting) {
  Jit& f = log.jit([](const Tensor& x) { return sum(sin(x)); }, {"x"});
  for (int i = 1; i < 6; ++i) {
    set_num_threads(i % 3 + 1);
    log.call(f, ramp({100, 100}, 0.001 * i));
  }
}
