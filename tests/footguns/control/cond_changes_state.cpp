// right: what a branch changes is changed when it is taken.
#include "etch/control.h"
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(cond_changes_state) {
  Tensor count = zeros({}), last = zeros({3});
  Jit& f = log.jit(
      [&](const Tensor& x) {
        return cond(
            sum(x) > 0,
            [&] {
              count.add_(ones({}));
              last.copy_(x);
              return last * count;
            },
            [&] { return last + count; });
      },
      {"x"});
  for (double s : {1, -1, 2, 3, -2, 4, -3}) {
    log.call(f, ramp({3}, s));
    log.emit("count", count);
    log.emit("last", last);
  }
}
