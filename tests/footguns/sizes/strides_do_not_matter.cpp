// retraces: the same sizes with other strides; reshape() copies in some and looks into the input in
// others.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(strides_do_not_matter) {
  Jit& f = log.jit([](const Tensor& x) { return x.reshape({6}) * 2; }, {"x"});
  for (int i = 0; i < 3; ++i) {
    log.call(f, ramp({2, 3}));
    log.call(f, ramp({3, 2}).t());
    log.call(f, ramp({2, 6}).slice(1, 0, 6, 2));
    log.call(f, ramp({1, 3}).expand({2, 3}));
  }
}
