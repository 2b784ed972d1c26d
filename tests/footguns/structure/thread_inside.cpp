// right, eager: a thread that the function starts computes outside the recording.
#include <thread>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(thread_inside) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y;
        std::thread other([&] { y = x * 2; });
        other.join();
        return y + 1;
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({3}, i));
}
