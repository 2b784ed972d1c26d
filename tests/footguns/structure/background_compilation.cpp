// right: interpreted until the code is there.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(background_compilation) {
  Jit f({[](std::span<const Tensor> in) {
          return std::vector<NamedTensor>{{"y", softmax(in[0] * 2, 0)}};
        }},
        {"x"}, {}, {.mode = CompileMode::Background});
  for (int i = 1; i < 20; ++i) {
    Tensor x = ramp({4}, i * 0.1);
    log.emit("y", f({&x, 1})[0]);
  }
}
