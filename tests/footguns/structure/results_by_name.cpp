// retraces: a map whose keys depend on the branch.
#include <map>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(results_by_name) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        std::map<std::string, Tensor> out;
        out["double"] = x * 2;
        out[sum(x).item<float>() > 0 ? "above" : "below"] = x + 1;
        return out;
      },
      {"x"});
  for (double s : {1.0, 1.0, -1.0, -1.0, 2.0, -2.0}) log.call(f, ramp({2}, s));
}
