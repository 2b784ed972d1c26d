// retraces: view(size(0), -1) in front of a classifier, with a batch that changes.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(flatten_keeps_batch) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor flat = x.reshape({x.size(0), -1});
        return matmul(flat, ones({flat.size(1), 2})) + dim_tensor(flat.size(0), DType::F32);
      },
      {"x"});
  for (int64_t n : {2, 2, 3, 3, 5, 5, 1, 8}) log.call(f, ramp({n, 2, 2}));
}
