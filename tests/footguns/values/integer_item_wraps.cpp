// right: arithmetic of integers read from tensors wraps and divides as in C++.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(integer_item_wraps) {
  Jit& f = log.jit(
      [](const Tensor& a) {
        Traced<int32_t> v = a.item<int32_t>();
        return std::tuple((v * 3 - 7).tensor(), (v / 2).tensor(), (-v).tensor());
      },
      {"a"});
  for (int v : {5, -5, 7, -7, 0, 1 << 29}) log.call(f, scalar_tensor(v, DType::I32));
}
