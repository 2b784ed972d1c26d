// right, eager: a captured tensor may change between calls, so reading it on the host counts as
// well.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(to_vector_of_captured) {
  Tensor table = ramp({3}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) { return x * static_cast<double>(table.to_vector<float>()[0]); }, {"x"});
  for (int i = 0; i < 5; ++i) {
    if (i >= 3) table.fill_(i);
    log.call(f, ramp({3}));
  }
}
