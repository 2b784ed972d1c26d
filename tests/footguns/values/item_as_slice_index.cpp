// retraces: a position read from a tensor is guarded as a raw integer.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(item_as_slice_index) {
  Jit& f = log.jit(
      [](const Tensor& x, const Tensor& at) {
        const int64_t i = at.item<int64_t>();
        return x.slice(0, i, i + 2) * 2;
      },
      {"x", "at"});
  for (int64_t i : {0, 0, 0, 2, 2, 1, 1, 0, 2})
    log.call(f, ramp({5}), scalar_tensor(i, DType::I64));
}
