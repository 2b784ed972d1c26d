// right: a result computed from state before the state is written.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(result_kept_while_state_moves) {
  Tensor h = ramp({2}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x) {
        Tensor before = h.clone();
        h.mul_(x);
        return before;
      },
      {"x"});
  std::vector<Tensor> kept;
  for (int i = 1; i < 6; ++i) kept.push_back(log.call(f, ramp({2}, 0.5 * i))[0]);
  for (const Tensor& t : kept) log.emit("kept", t);
  log.emit("h", h);
}
