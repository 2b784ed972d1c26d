// error: and a data pointer.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_data_pointer) {
  Trace t = trace(
      [](const Tensor& x) {
        const float* p = x.data<float>();  // error here
        return x * static_cast<double>(*p);
      },
      ramp({3}));
}
