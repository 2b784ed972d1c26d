// right: the same with numbers that stay in the graph.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(write_chain_of_views) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor y = x.clone();
        Tensor v = y.t().slice(0, 0, 3, 2).select(1, 1);
        v.mul_(v);
        y.reshape({2, 6}).select(0, 1).sub_(x.reshape({2, 6}).select(0, 0));
        y.unsqueeze(0).flatten(1).slice(1, 0, 12, 5).fill_(0.5);
        return std::tuple(y, v * 1);
      },
      {"x"});
  for (int i = 1; i < 5; ++i) log.call(f, ramp({4, 3}, i));
}
