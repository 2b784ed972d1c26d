// retraces: the bad index lies on the branch that is not taken.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(index_out_of_range_on_a_branch) {
  Jit& f = log.jit(
      [](const Tensor& x, const Tensor& at) {
        if (amax(at).item<int64_t>() < 3) return index_select(x, at, 0) * 2;
        return x - 1;
      },
      {"x", "at"});
  for (int64_t i : {0, 1, 2, 7, 1, 9, 8, 2}) {
    log.attempt([&] { log.call(f, ramp({3}), from_vector(std::vector<int64_t>{i, 0}, {2})); });
  }
}
