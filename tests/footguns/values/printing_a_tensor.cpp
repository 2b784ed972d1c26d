// right, eager: to_string() reads the elements.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(printing_a_tensor) {
  Jit& f = log.jit(
      [&](const Tensor& x) {
        const std::string text = to_string(x);
        return x * static_cast<double>(text.size());
      },
      {"x"});
  for (double s : {1.0, 20.0, 300.0, 4000.0}) log.call(f, ramp({3}, s));
}
