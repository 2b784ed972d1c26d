#include <algorithm>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "tools/zoo/zoo.h"

namespace etch::zoo {

namespace {

/// Momentum 1: one training batch sets the running statistics.
constexpr double kEps = 1e-5, kMomentum = 1;

std::shared_ptr<nn::Conv2d> conv(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                 Generator& rng) {
  nn::Conv2dOptions options{.stride = stride, .padding = kernel / 2, .bias = false};
  auto c = std::make_shared<nn::Conv2d>(in, out, kernel, rng, options);
  he_normal(c->weight, in * kernel * kernel, rng);
  return c;
}

std::shared_ptr<nn::BatchNorm2d> norm(int64_t channels) {
  return std::make_shared<nn::BatchNorm2d>(channels, kEps, kMomentum);
}

/// Two 3 x 3 convolutions beside a shortcut, which is a 1 x 1 convolution where the shape changes.
class Block : public nn::Layer {
 public:
  Block(int64_t in, int64_t out, int64_t stride, Generator& rng) {
    conv1_ = add_module("conv1", conv(in, out, 3, stride, rng));
    bn1_ = add_module("bn1", norm(out));
    conv2_ = add_module("conv2", conv(out, out, 3, 1, rng));
    bn2_ = add_module("bn2", norm(out));
    if (stride == 1 && in == out) return;
    down_ = add_module("downsample", std::make_shared<nn::Sequential>(
                                         std::initializer_list<std::shared_ptr<nn::Layer>>{
                                             conv(in, out, 1, stride, rng), norm(out)}));
  }

 protected:
  Tensor forward(const Tensor& x) override {
    Tensor y = relu((*bn1_)((*conv1_)(x)));
    y = (*bn2_)((*conv2_)(y));
    return relu(y + (down_ != nullptr ? (*down_)(x) : x));
  }

 private:
  std::shared_ptr<nn::Conv2d> conv1_, conv2_;
  std::shared_ptr<nn::BatchNorm2d> bn1_, bn2_;
  std::shared_ptr<nn::Sequential> down_;
};

class Resnet18 : public nn::Module {
 public:
  Resnet18(int64_t classes, Generator& rng) {
    conv1_ = add_module("conv1", conv(3, 64, 7, 2, rng));
    bn1_ = add_module("bn1", norm(64));
    pool_ = add_module("maxpool", std::make_shared<nn::MaxPool2d>(3, 2, 1));
    int64_t in = 64;
    for (int stage = 1; stage <= 4; ++stage) {
      int64_t out = int64_t{32} << stage, stride = stage == 1 ? 1 : 2;
      stages_.push_back(add_module(
          cat("layer", stage),
          std::make_shared<nn::Sequential>(std::initializer_list<std::shared_ptr<nn::Layer>>{
              std::make_shared<Block>(in, out, stride, rng),
              std::make_shared<Block>(out, out, 1, rng)})));
      in = out;
    }
    fc_ = add_module("fc", std::make_shared<nn::Linear>(512, classes, rng));
    scaled_normal(fc_->weight, 512, 1, rng);
  }
  Tensor operator()(const Tensor& x) {
    Tensor y = (*pool_)(relu((*bn1_)((*conv1_)(x))));
    for (const auto& stage : stages_) y = (*stage)(y);
    return (*fc_)(mean(y, Axes{2, 3}));
  }

  nn::Linear& head() { return *fc_; }

 private:
  std::shared_ptr<nn::Conv2d> conv1_;
  std::shared_ptr<nn::BatchNorm2d> bn1_;
  std::shared_ptr<nn::MaxPool2d> pool_;
  std::vector<std::shared_ptr<nn::Sequential>> stages_;
  std::shared_ptr<nn::Linear> fc_;
};

/// Random images for the statistics, of the model's size up to a limit that keeps this quick; more
/// of them where the last layers have few positions.
Tensor calibration_batch(int64_t height, int64_t width, Generator& rng) {
  constexpr int64_t kMaxSide = 256, kPixels = 128 * 128, kFewest = 4, kMost = 16;
  int64_t h = std::min(height, kMaxSide), w = std::min(width, kMaxSide);
  return randn({std::clamp(kPixels / (h * w), kFewest, kMost), 3, h, w}, rng);
}

}  // namespace

Model resnet18(const ModelParameters& parameters) {
  NoGrad no_grad;
  Generator rng(static_cast<uint64_t>(parameters.at("seed")));
  auto net = std::make_shared<Resnet18>(parameters.at("classes"), rng);
  Tensor batch = calibration_batch(parameters.at("height"), parameters.at("width"), rng);
  calibrate(*net, net->head(), [&] { return (*net)(batch); });
  Tensor x = zeros({1, 3, parameters.at("height"), parameters.at("width")});
  return module_model(net, {{"x", x}}, "logits", {{"x", 0, "N"}});
}

}  // namespace etch::zoo
