// right, eager: a history of tensors that the function keeps.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(list_of_tensors_grows) {
  std::vector<Tensor> history;
  Jit& f = log.jit(
      [&](const Tensor& x) {
        history.push_back(x * 1);
        Tensor y = history[0];
        for (size_t i = 1; i < history.size(); ++i) y = y + history[i];
        return y * 1;
      },
      {"x"});
  for (int i = 1; i < 6; ++i) log.call(f, ramp({2}, i));
}
