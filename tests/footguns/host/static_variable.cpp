// right, eager: a static in a helper of the function.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(static_variable) {
  struct Helper {
    static double next() {
      static double value = 0;
      return value += 1;
    }
  };
  Jit& f = log.jit([](const Tensor& x) { return x + Helper::next(); }, {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
