// right, eager: and data() of something computed.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(data_pointer_of_result) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x * 2;
        y.data<float>()[0] = 7;
        return y + 1;
      },
      {"x"});
  for (double s : {1.0, 1.0, 3.0, 4.0}) log.call(f, ramp({3}, s));
}
