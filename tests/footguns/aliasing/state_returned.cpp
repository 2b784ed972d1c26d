// right: a result that is the state is the state itself, also later.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(state_returned) {
  Tensor total = zeros({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        total.add_(x);
        return total;
      },
      {"x"});
  std::vector<Tensor> kept;
  for (int i = 1; i < 6; ++i) kept.push_back(log.call(f, ramp({2}, i))[0]);
  for (const Tensor& t : kept) log.emit("kept", t);
}
