#include "etch/autograd.h"
#include "etch/ops.h"
#include "tools/zoo/zoo.h"

namespace etch::zoo {

namespace {

struct Sizes {
  int64_t layers, width, heads, vocabulary, length;
};

/// Encoder layers under a causal mask, the norms first, over embedded tokens and positions.
class Transformer : public nn::Module {
 public:
  Transformer(const Sizes& s, Generator& rng) : length_(s.length) {
    tokens_ = add_module("tokens", std::make_shared<nn::Embedding>(s.vocabulary, s.width, rng));
    positions_ = add_module("positions", std::make_shared<nn::Embedding>(s.length, s.width, rng));
    nn::TransformerOptions options{.feedforward = 4 * s.width,
                                   .dropout = 0,
                                   .activation = &gelu_of,
                                   .batch_first = true,
                                   .norm_first = true};
    for (int64_t i = 0; i < s.layers; ++i) {
      layers_.push_back(add_module(cat("layers.", i), std::make_shared<nn::TransformerEncoderLayer>(
                                                          s.width, s.heads, rng, options)));
    }
    norm_ = add_module("norm", std::make_shared<nn::LayerNorm>(s.width));
    head_ = add_module("head", std::make_shared<nn::Linear>(s.width, s.vocabulary, rng));
    scaled_normal(head_->weight, s.width, 1, rng);
  }
  Tensor operator()(const Tensor& ids) {
    Tensor x = (*tokens_)(ids) + (*positions_)(arange(length_));
    Tensor mask = nn::causal_mask(length_);
    for (const auto& layer : layers_) x = (*layer)(x, mask);
    return (*head_)((*norm_)(x));
  }

  nn::Linear& head() { return *head_; }

 private:
  static Tensor gelu_of(const Tensor& x, std::source_location loc) { return gelu(x, false, loc); }

  int64_t length_;
  std::shared_ptr<nn::Embedding> tokens_, positions_;
  std::vector<std::shared_ptr<nn::TransformerEncoderLayer>> layers_;
  std::shared_ptr<nn::LayerNorm> norm_;
  std::shared_ptr<nn::Linear> head_;
};

constexpr int64_t kCalibrationRows = 4;

}  // namespace

Model transformer(const ModelParameters& parameters) {
  NoGrad no_grad;
  Generator rng(static_cast<uint64_t>(parameters.at("seed")));
  const Sizes s{parameters.at("layers"), parameters.at("width"), parameters.at("heads"),
                parameters.at("vocabulary"), parameters.at("length")};
  auto net = std::make_shared<Transformer>(s, rng);
  Tensor ids =
      (rand({kCalibrationRows, s.length}, rng) * static_cast<double>(s.vocabulary)).to(DType::I64);
  calibrate(*net, net->head(), [&] { return (*net)(ids); });
  return module_model(net, {{"ids", zeros({1, s.length}, DType::I64)}}, "logits",
                      {{"ids", 0, "N"}});
}

}  // namespace etch::zoo
