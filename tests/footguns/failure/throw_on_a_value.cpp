// right: the exception is thrown for some values only.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(throw_on_a_value) {
  Tensor total = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        if (sum(x).item<float>() > 10) throw std::runtime_error("too much");
        return total * 2;
      },
      {"x"});
  for (double s : {1.0, 9.0, 1.0, 2.0, 9.0, 9.0, 9.0, 1.0}) {
    log.attempt([&] { log.call(f, ramp({2}, s)); });
    log.emit("total", total);
  }
}
