// right: several threads call one jit function.
#include <thread>

#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(threads) {
  Jit& f = log.jit([](const Tensor& x) { return softmax(x * 2, 0); }, {"x"});
  std::vector<Tensor> results(4);
  for (int round = 0; round < 4; ++round) {
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        Tensor x = ramp({5}, static_cast<double>(t) * 0.1);
        results[t] = f({&x, 1})[0];
      });
    }
    for (std::thread& t : threads) t.join();
    for (const Tensor& t : results) log.emit("result", t);
  }
}
