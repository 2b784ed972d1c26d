// retraces: a count read from a tensor as the size of a new one.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(item_as_size) {
  Jit& f = log.jit(
      [](const Tensor& n) {
        const int64_t count = n.item<int64_t>();
        return ones({count, 2}) * 3;
      },
      {"n"});
  for (int64_t n : {2, 2, 2, 4, 4, 0, 0, 2}) log.call(f, scalar_tensor(n, DType::I64));
}
