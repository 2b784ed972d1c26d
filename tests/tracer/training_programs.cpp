#include "tests/tracer/training_programs.h"

#include <cmath>
#include <cstdlib>
#include <map>
#include <numbers>
#include <numeric>
#include <random>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/optim.h"
#include "examples/digits/data.h"

namespace etch::test {
namespace {

using Layers = std::initializer_list<std::shared_ptr<nn::Layer>>;

template <class L, class... Args>
std::shared_ptr<nn::Layer> layer(Args&&... args) {
  return std::make_shared<L>(std::forward<Args>(args)...);
}

void append(std::vector<NamedTensor>& to, const std::string& prefix,
            const std::vector<NamedTensor>& from) {
  for (const NamedTensor& t : from) {
    to.push_back({prefix.empty() ? t.name : prefix + "." + t.name, t.tensor});
  }
}

/// Whole numbers below `limit`, a function of `seed`.
std::vector<int64_t> draw(uint64_t seed, size_t count, int64_t limit) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> out(count);
  for (int64_t& v : out) v = static_cast<int64_t>(random() % static_cast<uint64_t>(limit));
  return out;
}

// --- digits

const digits::Data& digits_data() {
  static const digits::Data data = [] {
    const char* root = std::getenv("ETCH_SOURCE_DIR");
    return digits::load(cat(root == nullptr ? "." : root, "/examples/digits/data/digits.csv.gz"),
                        1);
  }();
  return data;
}

struct Digits {
  Generator rng{5};
  nn::Sequential net{Layers{layer<nn::Conv2d>(1, 8, 3, rng, nn::Conv2dOptions{.padding = 1}),
                            layer<nn::BatchNorm2d>(8), layer<nn::Activation>(&relu),
                            layer<nn::Conv2d>(8, 19, 3, rng, nn::Conv2dOptions{.padding = 1}),
                            layer<nn::BatchNorm2d>(19), layer<nn::Activation>(&relu),
                            layer<nn::MaxPool2d>(2), layer<nn::Flatten>(),
                            layer<nn::Dropout>(0.25, rng), layer<nn::Linear>(19 * 16, 10, rng)}};
  optim::Adam adam{net.parameters(), 2e-3};

  Tensor step(const Tensor& x, const Tensor& y) {
    adam.zero_grad();
    Tensor loss = cross_entropy(net(x), y);
    loss.backward();
    adam.step();
    return loss.detach();
  }
};

std::vector<Tensor> digits_batch(int64_t i) {
  constexpr int64_t kBatch = 24;
  const digits::Data& data = digits_data();
  const int64_t rows = data.train_x.sizes()[0], batches = (rows + kBatch - 1) / kBatch;
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(static_cast<uint64_t>(i / batches));
  for (size_t k = order.size() - 1; k > 0; --k) std::swap(order[k], order[random() % (k + 1)]);
  const int64_t from = i % batches * kBatch, to = std::min(rows, from + kBatch);
  Tensor index =
      from_vector(std::vector<int64_t>(order.begin() + from, order.begin() + to), {to - from});
  return {index_select(data.train_x, index), index_select(data.train_y, index)};
}

// --- tagger

constexpr int64_t kWords = 40, kTags = 4, kSentence = 8;

struct Tagger : nn::Module {
  Generator rng{6};
  std::shared_ptr<nn::Embedding> words;
  std::shared_ptr<nn::LSTM> lstm;
  std::shared_ptr<nn::Linear> tags;
  std::unique_ptr<optim::SGD> sgd;
  std::unique_ptr<optim::LRScheduler> schedule;

  Tagger() {
    words = add_module("words", std::make_shared<nn::Embedding>(kWords, 12, rng));
    lstm = add_module(
        "lstm", std::make_shared<nn::LSTM>(
                    12, 10, rng, nn::LSTMOptions{.batch_first = true, .bidirectional = true}));
    tags = add_module("tags", std::make_shared<nn::Linear>(20, kTags, rng));
    sgd = std::make_unique<optim::SGD>(parameters(), 0.5, 0.9);
    schedule = std::make_unique<optim::CosineAnnealingLR>(*sgd, 400, 0.05);
  }
  std::vector<Tensor> step(const Tensor& x, const Tensor& y) {
    sgd->zero_grad();
    Tensor scores = (*tags)(lstm->operator()((*words)(x)).output);
    Tensor loss = cross_entropy(scores.reshape({-1, kTags}), y.reshape({-1}));
    loss.backward();
    Tensor norm = nn::utils::clip_grad_norm_(parameters(), 1);
    sgd->step();
    schedule->step();
    return {loss.detach(), norm};
  }
};

/// A word's tag follows from it and from its neighbours.
std::vector<Tensor> tagger_batch(int64_t i) {
  const int64_t rows = 6 + i % 3;
  const auto count = static_cast<size_t>(rows * kSentence);
  std::vector<int64_t> x = draw(static_cast<uint64_t>(i), count, kWords), y(count);
  for (size_t k = 0; k < count; ++k) {
    const size_t at = k % kSentence;
    const int64_t before = at == 0 ? 0 : x[k - 1], after = at + 1 == kSentence ? 0 : x[k + 1];
    y[k] = (x[k] % 2 + (before > after ? 2 : 0)) % kTags;
  }
  return {from_vector(x, {rows, kSentence}), from_vector(y, {rows, kSentence})};
}

// --- transformer

constexpr int64_t kTokens = 16, kLength = 10, kWidth = 16;

struct Transformer : nn::Module {
  Generator rng{7};
  std::shared_ptr<nn::Embedding> tokens, positions;
  std::shared_ptr<nn::TransformerEncoder> encoder;
  std::shared_ptr<nn::LayerNorm> norm;
  std::shared_ptr<nn::Linear> head;
  std::unique_ptr<optim::AdamW> adamw;
  std::unique_ptr<optim::LRScheduler> warmup;

  Transformer() {
    tokens = add_module("tokens", std::make_shared<nn::Embedding>(kTokens, kWidth, rng));
    positions = add_module("positions", std::make_shared<nn::Embedding>(kLength, kWidth, rng));
    encoder = add_module(
        "encoder",
        std::make_shared<nn::TransformerEncoder>(
            2, kWidth, 2, rng,
            nn::TransformerOptions{.feedforward = 32, .batch_first = true, .norm_first = true}));
    norm = add_module("norm", std::make_shared<nn::LayerNorm>(kWidth));
    head = add_module("head", std::make_shared<nn::Linear>(kWidth, kTokens, rng));
    adamw = std::make_unique<optim::AdamW>(parameters(), 3e-3);
    warmup = std::make_unique<optim::LinearLR>(*adamw, 0.1, 1, 50);
  }
  Tensor loss(const Tensor& x, const Tensor& y) {
    Tensor h = (*tokens)(x) + (*positions)(arange(kLength));
    h = (*norm)((*encoder)(h, nn::causal_mask(kLength)));
    return cross_entropy((*head)(h).reshape({-1, kTokens}), y.reshape({-1}));
  }
  Tensor step(const Tensor& x, const Tensor& y) {
    adamw->zero_grad();
    std::vector<Tensor> xs = x.chunk(2, 0), ys = y.chunk(2, 0);
    Tensor total;
    for (size_t i = 0; i < 2; ++i) {
      Tensor half = loss(xs[i], ys[i]) / 2;
      half.backward();
      total = total.defined() ? total + half.detach() : half.detach();
    }
    adamw->step();
    warmup->step();
    return total;
  }
};

/// Each token is the sum of the two before it.
std::vector<Tensor> transformer_batch(int64_t i) {
  const int64_t rows = i % 5 == 4 ? 6 : 8;
  std::vector<int64_t> first =
      draw(static_cast<uint64_t>(i), static_cast<size_t>(2 * rows), kTokens);
  std::vector<int64_t> x, y;
  for (int64_t r = 0; r < rows; ++r) {
    int64_t a = first[static_cast<size_t>(2 * r)], b = first[static_cast<size_t>(2 * r + 1)];
    for (int64_t t = 0; t < kLength; ++t) {
      x.push_back(a);
      y.push_back(b);
      a = std::exchange(b, (a + b) % kTokens);
    }
  }
  return {from_vector(x, {rows, kLength}), from_vector(y, {rows, kLength})};
}

// --- WGAN-GP

constexpr int64_t kNoise = 4;

struct Wgan {
  Generator rng{8};
  nn::Sequential generator{Layers{layer<nn::Linear>(kNoise, 16, rng), layer<nn::Activation>(&relu),
                                  layer<nn::Linear>(16, 2, rng)}};
  nn::Sequential critic{Layers{layer<nn::Linear>(2, 16, rng), layer<nn::Activation>(&tanh),
                               layer<nn::Linear>(16, 16, rng), layer<nn::Activation>(&tanh),
                               layer<nn::Linear>(16, 1, rng)}};
  optim::Adam generator_adam{generator.parameters(), 1e-3, 0.5, 0.9};
  optim::Adam critic_adam{critic.parameters(), 1e-3, 0.5, 0.9};

  Tensor fake(const Tensor& real) { return generator(randn({real.size(0), kNoise}, rng)); }
  Tensor penalty(const Tensor& real, const Tensor& made) {
    Tensor share = rand({real.size(0), 1}, rng);
    Tensor between = (real * share + made * (1 - share)).detach().requires_grad_();
    Tensor slope = grad(sum(critic(between)), between, true);
    return mean(square(sqrt(sum(square(slope), {1}) + 1e-12) - 1)) * 10;
  }
  std::vector<Tensor> step(const Tensor& real) {
    critic_adam.zero_grad();
    Tensor made = fake(real).detach();
    Tensor gap = mean(critic(made)) - mean(critic(real)) + penalty(real, made);
    gap.backward();
    critic_adam.step();

    generator_adam.zero_grad();
    Tensor loss = -mean(critic(fake(real)));
    loss.backward();
    generator_adam.step();
    return {gap.detach(), loss.detach()};
  }
};

/// Points around a circle.
std::vector<Tensor> wgan_batch(int64_t i) {
  const int64_t rows = 12 + i % 2 * 4;
  std::vector<float> points;
  for (int64_t v : draw(static_cast<uint64_t>(i), static_cast<size_t>(rows), 1000)) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(v) / 1000;
    points.push_back(static_cast<float>(std::cos(angle)));
    points.push_back(static_cast<float>(std::sin(angle)));
  }
  return {from_vector(points, {rows, 2})};
}

}  // namespace

Training digits_training() {
  auto t = std::make_shared<Digits>();
  Training out{{"x", "y"}, {{"x", 0, "N"}, {"y", 0, "N"}}, &digits_batch, {}, {}};
  out.step = [t](std::span<const Tensor> in) { return std::vector{t->step(in[0], in[1])}; };
  append(out.state, "net", t->net.state());
  append(out.state, "", t->adam.state());
  append(out.state, "", {{"rng", t->rng.state()}});
  return out;
}

Training tagger_training() {
  auto t = std::make_shared<Tagger>();
  Training out{{"x", "y"}, {{"x", 0, "N"}, {"y", 0, "N"}}, &tagger_batch, {}, {}};
  out.step = [t](std::span<const Tensor> in) { return t->step(in[0], in[1]); };
  append(out.state, "net", t->state());
  append(out.state, "", t->sgd->state());
  append(out.state, "", t->schedule->state());
  return out;
}

Training transformer_training() {
  auto t = std::make_shared<Transformer>();
  Training out{{"x", "y"}, {{"x", 0, "N", 2}, {"y", 0, "N", 2}}, &transformer_batch, {}, {}};
  out.step = [t](std::span<const Tensor> in) { return std::vector{t->step(in[0], in[1])}; };
  append(out.state, "net", t->state());
  append(out.state, "", t->adamw->state());
  append(out.state, "", t->warmup->state());
  append(out.state, "", {{"rng", t->rng.state()}});
  return out;
}

Training wgan_training() {
  auto t = std::make_shared<Wgan>();
  Training out{{"real"}, {{"real", 0, "N"}}, &wgan_batch, {}, {}};
  out.step = [t](std::span<const Tensor> in) { return t->step(in[0]); };
  append(out.state, "generator", t->generator.state());
  append(out.state, "critic", t->critic.state());
  append(out.state, "generator", t->generator_adam.state());
  append(out.state, "critic", t->critic_adam.state());
  append(out.state, "", {{"rng", t->rng.state()}});
  return out;
}

}  // namespace etch::test
