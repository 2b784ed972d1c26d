// right: what the function wrote before the error is there, as in eager.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(index_out_of_range_writes_before) {
  Tensor seen = zeros({}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x, const Tensor& at) {
        seen.add_(scalar_tensor(1, DType::F32));
        return index_select(x, at, 0) * 2;
      },
      {"x", "at"});
  for (int64_t i : {0, 1, 2, 7, 1, -4, -1}) {
    log.attempt([&] { log.call(f, ramp({3}), from_vector(std::vector<int64_t>{i, 0}, {2})); });
    log.emit("seen", seen);
  }
}
