#include "tools/zoo/bilstm.h"

#include <numeric>
#include <random>

#include "etch/ops.h"
#include "tools/zoo/zoo.h"

namespace etch::zoo {

std::vector<int64_t> random_lengths(int64_t sentences, int64_t words, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < sentences; ++i) {
    out.push_back(std::max<int64_t>(1, words / 2) +
                  static_cast<int64_t>(random() % static_cast<uint64_t>(words + 1)));
  }
  return out;
}

BilstmTagger::BilstmTagger(int64_t vocabulary, int64_t features, int64_t hidden, int64_t tags,
                           Generator& rng) {
  words_ = add_module("words", std::make_shared<nn::Embedding>(vocabulary, features, rng));
  forward_ = add_module("forward", std::make_shared<nn::LSTMCell>(features, hidden, rng));
  backward_ = add_module("backward", std::make_shared<nn::LSTMCell>(features, hidden, rng));
  head_ = add_module("head", std::make_shared<nn::Linear>(2 * hidden, tags, rng));
  scaled_normal(head_->weight, 2 * hidden, 8, rng);
}

void BilstmTagger::tag(const std::vector<Tensor>& words, std::vector<Tensor>& logits) {
  const size_t n = words.size();
  std::vector<Tensor> ahead(n), back(n);
  nn::LSTMState state;
  for (size_t i = 0; i < n; ++i) {
    state = (*forward_)(words[i], state);
    ahead[i] = state.h;
  }
  state = {};
  for (size_t i = n; i-- > 0;) {
    state = (*backward_)(words[i], state);
    back[i] = state.h;
  }
  for (size_t i = 0; i < n; ++i) logits.push_back((*head_)(concat({ahead[i], back[i]}, 1)));
}

Tensor BilstmTagger::operator()(const std::vector<int64_t>& lengths, const Tensor& words) {
  std::vector<Tensor> logits;
  int64_t at = 0;
  for (int64_t length : lengths) {
    std::vector<Tensor> sentence;
    for (int64_t i = 0; i < length; ++i, ++at) {
      sentence.push_back((*words_)(words.narrow(0, at, 1)));
    }
    tag(sentence, logits);
  }
  return concat(logits, 0);
}

Model bilstm(const ModelParameters& parameters) {
  NoGrad no_grad;
  const auto seed = static_cast<uint64_t>(parameters.at("seed"));
  Generator rng(seed);
  const auto lengths = random_lengths(parameters.at("sentences"), parameters.at("words"), seed);
  auto net = std::make_shared<BilstmTagger>(parameters.at("vocabulary"), parameters.at("features"),
                                            parameters.at("hidden"), parameters.at("tags"), rng);
  Model out;
  out.inputs = {
      {"words", zeros({std::accumulate(lengths.begin(), lengths.end(), int64_t{0})}, DType::I64)}};
  out.state = net->state();
  out.function = [net, lengths](std::span<const Tensor> in) {
    NoGrad inside;
    return std::vector<NamedTensor>{{"logits", (*net)(lengths, in[0])}};
  };
  return out;
}

}  // namespace etch::zoo
