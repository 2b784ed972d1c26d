// A plug-in with two models of one's own:
//   etch compare build/lib/libplugin.so:gated?width=16
#include "etch/model.h"
#include "etch/ops.h"

using namespace etch;

namespace {

/// x * sigmoid(x W^T + b).
class Gated : public nn::Module {
 public:
  Gated(int64_t width, Generator& rng)
      : gate_(add_module("gate", std::make_shared<nn::Linear>(width, width, rng))) {}
  Tensor operator()(const Tensor& x) { return x * sigmoid((*gate_)(x)); }

 private:
  std::shared_ptr<nn::Linear> gate_;
};

}  // namespace

ETCH_MODEL(gated, "x * sigmoid(x W^T + b), x f32[N, width]", {"width", 8, 1, 4096, "columns of x"},
           {"seed", 1, 0, INT64_MAX, "of the weights"}) {
  Generator rng(static_cast<uint64_t>(parameters.at("seed")));
  int64_t width = parameters.at("width");
  auto net = std::make_shared<Gated>(width, rng);
  return module_model(net, {{"x", zeros({1, width})}}, "y", {{"x", 0, "N"}});
}

// A function with state: what it writes lands in the program's State.
ETCH_MODEL(centred, "x minus a running mean over calls, x f32[N]") {
  Tensor mean_so_far = zeros({});
  Model model;
  model.inputs = {{"x", zeros({1})}};
  model.free_axes = {{"x", 0, "N"}};
  model.state = {{"mean", mean_so_far}};
  model.function = [mean_so_far](std::span<const Tensor> in) {
    Tensor state = mean_so_far;
    state.copy_(state * 0.9 + mean(in[0]) * 0.1);
    return std::vector<NamedTensor>{{"y", in[0] - state}};
  };
  return model;
}
