#include "etch/autograd.h"
#include "etch/ops.h"
#include "tools/zoo/zoo.h"

namespace etch::zoo {

namespace {

class Mlp : public nn::Module {
 public:
  Mlp(int64_t features, int64_t hidden, int64_t classes, Generator& rng) {
    hidden_ = add_module("hidden", std::make_shared<nn::Linear>(features, hidden, rng));
    logits_ = add_module("logits", std::make_shared<nn::Linear>(hidden, classes, rng));
    he_normal(hidden_->weight, features, rng);
    scaled_normal(logits_->weight, hidden, 1, rng);
  }
  Tensor operator()(const Tensor& x) { return (*logits_)(relu((*hidden_)(x))); }

  nn::Linear& head() { return *logits_; }

 private:
  std::shared_ptr<nn::Linear> hidden_, logits_;
};

constexpr int64_t kCalibrationRows = 16;

}  // namespace

Model mlp(const ModelParameters& parameters) {
  NoGrad no_grad;
  Generator rng(static_cast<uint64_t>(parameters.at("seed")));
  int64_t features = parameters.at("features");
  auto net =
      std::make_shared<Mlp>(features, parameters.at("hidden"), parameters.at("classes"), rng);
  Tensor batch = randn({kCalibrationRows, features}, rng);
  calibrate(*net, net->head(), [&] { return (*net)(batch); });
  return module_model(net, {{"x", zeros({1, features})}}, "logits", {{"x", 0, "N"}});
}

}  // namespace etch::zoo
