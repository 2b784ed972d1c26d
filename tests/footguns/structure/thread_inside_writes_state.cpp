// right, eager: and writes state there.
#include <thread>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(thread_inside_writes_state) {
  Tensor total = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor before = total * x;
        std::thread other([&] { total.add_(ramp({2})); });
        other.join();
        return std::tuple(before, total * x);
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
  log.emit("total", total);
}
