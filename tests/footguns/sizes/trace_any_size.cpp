// right: one trace with a dynamic axis serves sizes 0, 1, 2, 3, a prime and a large one.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_any_size) {
  TraceOptions n;
  n.dynamic = {{"x", 0, "N"}};
  Compiled f(trace([](const Tensor& x) { return softmax(x.reshape({x.size(0), 4}), 1) * sum(x); },
                   ramp({5, 2, 2}, 0.1), n));
  for (int64_t rows : {0, 1, 2, 3, 97, 1000}) log.emit("y", f(ramp({rows, 2, 2}, 0.01)));
}
