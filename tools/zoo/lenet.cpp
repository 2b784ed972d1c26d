#include "etch/autograd.h"
#include "etch/ops.h"
#include "tools/zoo/zoo.h"

namespace etch::zoo {

namespace {

class Lenet : public nn::Module {
 public:
  Lenet(int64_t classes, Generator& rng) {
    conv1_ = add_module(
        "conv1", std::make_shared<nn::Conv2d>(1, 6, 5, rng, nn::Conv2dOptions{.padding = 2}));
    conv2_ = add_module("conv2", std::make_shared<nn::Conv2d>(6, 16, 5, rng));
    pool_ = add_module("pool", std::make_shared<nn::MaxPool2d>(2));
    fc1_ = add_module("fc1", std::make_shared<nn::Linear>(400, 120, rng));
    fc2_ = add_module("fc2", std::make_shared<nn::Linear>(120, 84, rng));
    fc3_ = add_module("fc3", std::make_shared<nn::Linear>(84, classes, rng));
    he_normal(conv1_->weight, 25, rng);
    he_normal(conv2_->weight, 6 * 25, rng);
    he_normal(fc1_->weight, 400, rng);
    he_normal(fc2_->weight, 120, rng);
    scaled_normal(fc3_->weight, 84, 1, rng);
  }
  Tensor operator()(const Tensor& x) {
    Tensor y = (*pool_)(relu((*conv1_)(x)));
    y = (*pool_)(relu((*conv2_)(y)));
    y = relu((*fc1_)(y.flatten(1)));
    return (*fc3_)(relu((*fc2_)(y)));
  }

  nn::Linear& head() { return *fc3_; }

 private:
  std::shared_ptr<nn::Conv2d> conv1_, conv2_;
  std::shared_ptr<nn::MaxPool2d> pool_;
  std::shared_ptr<nn::Linear> fc1_, fc2_, fc3_;
};

constexpr int64_t kCalibrationImages = 16;

}  // namespace

Model lenet(const ModelParameters& parameters) {
  NoGrad no_grad;
  Generator rng(static_cast<uint64_t>(parameters.at("seed")));
  auto net = std::make_shared<Lenet>(parameters.at("classes"), rng);
  Tensor batch = randn({kCalibrationImages, 1, 28, 28}, rng);
  calibrate(*net, net->head(), [&] { return (*net)(batch); });
  return module_model(net, {{"x", zeros({1, 1, 28, 28})}}, "logits", {{"x", 0, "N"}});
}

}  // namespace etch::zoo
