// right: results of earlier calls stay what they were.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(result_kept) {
  Jit& f = log.jit([](const Tensor& x) { return x * 2; }, {"x"});
  std::vector<Tensor> kept;
  for (int i = 1; i < 6; ++i) kept.push_back(log.call(f, ramp({2}, i))[0]);
  for (const Tensor& t : kept) log.emit("kept", t);
}
