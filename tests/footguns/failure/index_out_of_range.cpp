// right: an index out of range is the error that eager raises, in replays too, and changes nothing.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(index_out_of_range) {
  Tensor seen = zeros({}).clone();
  Jit& f = log.jit(
      [&](const Tensor& x, const Tensor& at) {
        seen.add_(scalar_tensor(1, DType::F32));
        return index_select(x, at, 0) * 2;
      },
      {"x", "at"});
  for (int64_t i : {0, 1, 2, 7, 1, -4, -1}) {
    log.attempt([&] { log.call(f, ramp({3}), from_vector(std::vector<int64_t>{i, 0}, {2})); });
    if (i >= -3 && i < 3) log.emit("seen", seen);
  }
}
