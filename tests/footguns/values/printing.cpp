// right: printing numbers, sizes and tensors decides nothing.
#include <sstream>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(printing) {
  std::ostringstream out;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        out << sum(x).item<float>() << " " << x.size(0) << "\n";
        return x * 2;
      },
      {"x"});
  for (double s : {1.0, 2.0, 3.0, 4.0}) log.call(f, ramp({3}, s));
}
