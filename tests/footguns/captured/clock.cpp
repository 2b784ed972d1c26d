// right, eager: so is the time. What is logged is whether it moved on.
#include <chrono>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(clock) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return x * static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count());
      },
      {"x"});
  double before = 0;
  for (int i = 0; i < 5; ++i) {
    const Tensor in[] = {ones({}, DType::F64)};
    const double now = f(std::span<const Tensor>(in)).front().item<double>();
    log.emit("moved on", now > before);
    before = now;
  }
}
