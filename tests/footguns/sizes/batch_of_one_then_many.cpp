// retraces: the first call has a batch of one, which must not become part of the program.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(batch_of_one_then_many) {
  Generator rng(3);
  nn::Linear net(3, 2, rng);
  Jit& f = log.jit(
      [&](const Tensor& x) {
        NoGrad no_grad;
        return softmax(net(x), 1);
      },
      {"x"});
  for (int64_t n : {1, 1, 1, 4, 4, 9, 2, 1, 0, 16}) log.call(f, ramp({n, 3}, 0.1));
}
