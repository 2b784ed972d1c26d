// right, eager: so does data().
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(data_pointer) {
  Jit& f =
      log.jit([](const Tensor& x) { return x * static_cast<double>(x.data<float>()[1]); }, {"x"});
  for (double s : {1.0, 1.0, 3.0, 4.0}) log.call(f, ramp({3}, s));
}
