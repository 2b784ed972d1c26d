// right, eager: a tensor made from a std::vector that grows.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(host_data_inside) {
  std::vector<float> history;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        history.push_back(static_cast<float>(history.size()));
        return sum(from_vector(history, {static_cast<int64_t>(history.size())})) + x;
      },
      {"x"});
  for (int i = 0; i < 5; ++i) log.call(f, ramp({2}));
}
