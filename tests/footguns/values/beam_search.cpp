// retraces: a decoder that stops when it is sure.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(beam_search) {
  Jit& f = log.jit(
      [](const Tensor& x) {
        Tensor h = x;
        std::vector<Tensor> tokens;
        for (int i = 0; i < 5; ++i) {
          h = tanh(h * 1.7 + 0.1);
          Tensor token = argmax(h * (h + 0.5), {0});
          tokens.push_back(token);
          if (amax(h).item<float>() > 0.9) break;
          h = h - 0.4;
        }
        return tokens;
      },
      {"x"});
  for (double s : {0.1, 0.1, -0.3, -0.3, 0.5, 0.5, 0.1, 0.5, -0.3}) {
    log.emit("tokens", static_cast<int64_t>(log.call(f, ramp({4}, s)).size()));
  }
}
