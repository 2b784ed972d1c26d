// right: a traced training step with named state equals eager's, gradients apart.
#include "tests/footguns/footgun.h"

using namespace etch;
using namespace etch::footguns;

FOOTGUN(trace_training_step) {
  Generator rng(2);
  nn::Linear net(3, 2, rng);
  optim::Adam adam(net.parameters(), 0.05);
  TraceOptions options;
  options.state = net.state();
  for (const NamedTensor& s : adam.state()) options.state.push_back(s);
  Compiled f(trace(
      [&](const Tensor& x) {
        adam.zero_grad();
        Tensor loss = sum(net(x) * net(x));
        loss.backward();
        adam.step();
        return loss.detach();
      },
      ramp({4, 3}, 0.1), options));
  for (int i = 1; i < 6; ++i) {
    log.emit("loss", f(ramp({4, 3}, 0.05 * i)));
    log.emit("weight", net.weight);
  }
}
