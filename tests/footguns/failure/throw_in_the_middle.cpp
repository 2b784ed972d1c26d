// right: an exception of the user's own, half way through an update, then calls that succeed.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(throw_in_the_middle) {
  Tensor total = zeros({2}).clone();
  bool angry = false;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        if (angry) throw std::runtime_error("angry");
        return total * 2;
      },
      {"x"});
  angry = true;
  log.attempt([&] { log.call(f, ramp({2})); });
  log.emit("total", total);
  angry = false;
  for (int i = 0; i < 4; ++i) log.call(f, ramp({2}));
  log.emit("total", total);
}
