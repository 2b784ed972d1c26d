// right, eager: a branch on where the memory lies.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(pointer_identity) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        return reinterpret_cast<uintptr_t>(x.raw_data()) == 0 ? x * 2 : x * 3;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
