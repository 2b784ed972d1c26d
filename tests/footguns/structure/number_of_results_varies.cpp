// retraces: a vector of results that is as long as the branch makes it.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(number_of_results_varies) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        std::vector<Tensor> out = {x * 2};
        if (sum(x).item<float>() > 10) out.push_back(x * 3);
        for (int64_t i = 0; i < x.size(0); ++i) out.push_back(x.select(0, i) + 1);
        return out;
      },
      {"x"});
  for (auto [n, s] : {std::pair{2, 1.0},
                      {2, 1.0},
                      {2, 9.0},
                      {2, 9.0},
                      {3, 0.1},
                      {3, 0.1},
                      {2, 1.0},
                      {3, 9.0},
                      {2, 9.0}}) {
    log.emit("count", static_cast<int64_t>(log.call(f, ramp({n}, s)).size()));
  }
}
