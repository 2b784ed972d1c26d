// retraces: a row that is broadcast in some calls and as long as the other operand in others.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(broadcast_against_one) {
  Jit& f = log.jit([](const Tensor& a, const Tensor& b) { return a + b * 2; }, {"a", "b"});
  for (auto [n, m] :
       {std::pair{4, 4}, {4, 4}, {5, 5}, {5, 5}, {5, 1}, {6, 1}, {6, 1}, {1, 6}, {1, 1}, {7, 7}}) {
    log.call(f, ramp({n, 3}), ramp({m, 3}, -1));
  }
}
