#include "bench/model_bench.h"

#include <torch/torch.h>

#include <map>
#include <memory>

namespace etch::bench::torch_peer {

namespace {

using at::Tensor;

/// A model's tensors by name.
class Weights {
 public:
  explicit Weights(const std::vector<Weight>& list) {
    for (const Weight& w : list) {
      all_[w.name] = torch::from_blob(const_cast<float*>(w.data), w.sizes, torch::kFloat32).clone();
    }
  }
  Tensor& operator()(const std::string& name) { return all_.at(name); }
  bool has(const std::string& name) const { return all_.count(name) != 0; }
  std::vector<Tensor> trainable() {
    std::vector<Tensor> out;
    for (auto& [name, t] : all_) {
      if (name.find("running_") == std::string::npos) out.push_back(t.requires_grad_());
    }
    return out;
  }

 private:
  std::map<std::string, Tensor> all_;
};

Tensor batch_norm(Weights& w, const std::string& path, const Tensor& x, bool training) {
  return torch::batch_norm(x, w(path + ".weight"), w(path + ".bias"), w(path + ".running_mean"),
                           w(path + ".running_var"), training, 0.1, 1e-5, false);
}

Tensor plain_conv(Weights& w, const std::string& path, const Tensor& x, int64_t stride) {
  const Tensor& kernel = w(path + ".weight");
  return torch::conv2d(x, kernel, {}, stride, kernel.size(2) / 2);
}

Tensor residual_block(Weights& w, const std::string& path, const Tensor& x, int64_t stride) {
  Tensor y = batch_norm(w, path + ".bn1", plain_conv(w, path + ".conv1", x, stride), false).relu_();
  y = batch_norm(w, path + ".bn2", plain_conv(w, path + ".conv2", y, 1), false);
  const std::string down = path + ".downsample";
  const bool shaped = w.has(down + ".0.weight");
  return y
      .add_(shaped ? batch_norm(w, down + ".1", plain_conv(w, down + ".0", x, stride), false) : x)
      .relu_();
}

Tensor resnet18_logits(Weights& w, const Tensor& x) {
  Tensor y = batch_norm(w, "bn1", plain_conv(w, "conv1", x, 2), false).relu_();
  y = torch::max_pool2d(y, 3, 2, 1);
  for (int stage = 1; stage <= 4; ++stage) {
    const std::string path = "layer" + std::to_string(stage);
    y = residual_block(w, path + ".0", y, stage == 1 ? 1 : 2);
    y = residual_block(w, path + ".1", y, 1);
  }
  return torch::linear(y.mean({2, 3}), w("fc.weight"), w("fc.bias"));
}

Tensor digits_block(Weights& w, const std::string& path, const Tensor& x) {
  const Tensor y = torch::conv2d(x, w(path + ".0.weight"), w(path + ".0.bias"), 1, 1);
  return torch::relu(batch_norm(w, path + ".1", y, true));
}

Tensor digits_logits(Weights& w, const Tensor& x) {
  Tensor y = digits_block(w, "net.0", x);
  y = torch::max_pool2d(digits_block(w, "net.1", y), 2);
  y = torch::max_pool2d(digits_block(w, "net.2", y), 2);
  return torch::linear(y.flatten(1), w("net.4.weight"), w("net.4.bias"));
}

struct DigitsState {
  DigitsState(const std::vector<Weight>& list, const std::vector<Batch>& batches, double lr)
      : weights(list), adam(weights.trainable(), torch::optim::AdamOptions(lr)) {
    for (const Batch& b : batches) {
      x.push_back(
          torch::from_blob(const_cast<float*>(b.x), {b.rows, 1, 8, 8}, torch::kFloat32).clone());
      y.push_back(torch::from_blob(const_cast<int64_t*>(b.y), {b.rows}, torch::kInt64).clone());
    }
  }
  void step(size_t i) {
    loss = torch::cross_entropy_loss(digits_logits(weights, x[i]), y[i]);
    adam.zero_grad();
    loss.backward();
    adam.step();
  }
  Weights weights;
  torch::optim::Adam adam;
  std::vector<Tensor> x, y;
  Tensor loss;
};

}  // namespace

std::string version() { return TORCH_VERSION; }

Inference resnet18(const std::vector<Weight>& weights, int64_t side, const float* x) {
  c10::InferenceMode guard;
  auto w = std::make_shared<Weights>(weights);
  const Tensor in =
      torch::from_blob(const_cast<float*>(x), {1, 3, side, side}, torch::kFloat32).clone();
  auto out = std::make_shared<Tensor>();
  return {[=] {
            c10::InferenceMode inside;
            *out = resnet18_logits(*w, in);
          },
          [=] {
            const auto* p = out->data_ptr<float>();
            return std::vector<float>(p, p + out->numel());
          }};
}

Training digits(const std::vector<Weight>& weights, const std::vector<Batch>& batches, double lr) {
  auto s = std::make_shared<DigitsState>(weights, batches, lr);
  return {[s](size_t i) { s->step(i); }, [s] { return s->loss.item<float>(); }};
}

}  // namespace etch::bench::torch_peer
