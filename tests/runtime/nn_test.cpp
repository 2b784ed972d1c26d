// Modules against their equations, written out in f64, and gradients against central differences of
// those.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include "etch/autograd.h"
#include "etch/jit.h"
#include "etch/nn.h"
#include "etch/ops.h"

using namespace etch;
using Catch::Contains;

namespace {

using Values = std::vector<double>;
using Parameters = std::map<std::string, Values>;

Values values(const Tensor& t) { return t.to(DType::F64).to_vector<double>(); }

Parameters parameters(const nn::Module& m) {
  Parameters out;
  for (const NamedTensor& p : m.parameters()) out[p.name] = values(p.tensor);
  return out;
}

/// The largest gap relative to 1 + |want|.
double gap(const Tensor& got, const Values& want) {
  Values g = values(got);
  REQUIRE(g.size() == want.size());
  double worst = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    worst = std::max(worst, std::abs(g[i] - want[i]) / (1 + std::abs(want[i])));
  }
  return worst;
}

/// The largest gap between the parameters' grad() and central differences of `loss`.
double gradient_gap(const nn::Module& m, const std::function<double(const Parameters&)>& loss) {
  Parameters p = parameters(m);
  double worst = 0;
  for (const NamedTensor& n : m.parameters()) {
    INFO(n.name);
    REQUIRE(n.tensor.grad().defined());
    Values want;
    for (double& x : p[n.name]) {
      const double before = x, h = 1e-5;
      x = before + h;
      const double up = loss(p);
      x = before - h;
      want.push_back((up - loss(p)) / (2 * h));
      x = before;
    }
    worst = std::max(worst, gap(n.tensor.grad(), want));
  }
  return worst;
}

double weighted(const Values& y, const Values& weights) {
  double total = 0;
  for (size_t i = 0; i < y.size(); ++i) total += y[i] * weights[i];
  return total;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  return a.sizes().size() == b.sizes().size() && x.size() == y.size() &&
         (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// [rows, in] W^T + b.
Values affine(const Values& x, const Values& w, const Values& b, size_t in) {
  const size_t out = w.size() / in, rows = x.size() / in;
  Values y(rows * out);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t o = 0; o < out; ++o) {
      double total = b.empty() ? 0 : b[o];
      for (size_t i = 0; i < in; ++i) total += x[r * in + i] * w[o * in + i];
      y[r * out + o] = total;
    }
  }
  return y;
}

struct Step {
  Values h, c;
};

Step lstm_step(const Parameters& p, const std::string& end, const Values& x, const Step& s,
               size_t in, size_t hidden) {
  Values a = affine(x, p.at("weight_ih" + end), p.at("bias_ih" + end), in);
  Values b = affine(s.h, p.at("weight_hh" + end), p.at("bias_hh" + end), hidden);
  Step next = s;
  for (size_t n = 0; n < s.h.size(); ++n) {
    auto gate = [&](size_t k) {
      const size_t at = (n / hidden) * 4 * hidden + k * hidden + n % hidden;
      return a[at] + b[at];
    };
    next.c[n] = sigmoid(gate(1)) * s.c[n] + sigmoid(gate(0)) * std::tanh(gate(2));
    next.h[n] = sigmoid(gate(3)) * std::tanh(next.c[n]);
  }
  return next;
}

/// Attention of x [N, L, E] to itself; `blocked(i, j)` says that i may not look at j.
Values attention(const Parameters& p, const std::string& prefix, const Values& x, size_t batch,
                 size_t length, size_t width, size_t heads,
                 const std::function<bool(size_t, size_t)>& blocked) {
  const size_t part = width / heads;
  Values qkv = affine(x, p.at(prefix + "in_proj_weight"), p.at(prefix + "in_proj_bias"), width);
  Values seen(x.size());
  for (size_t n = 0; n < batch; ++n) {
    for (size_t i = 0; i < length; ++i) {
      for (size_t h = 0; h < heads; ++h) {
        auto at = [&](size_t l, size_t which, size_t d) {
          return qkv[((n * length + l) * 3 + which) * width + h * part + d];
        };
        Values score(length);
        double total = 0;
        for (size_t j = 0; j < length; ++j) {
          double dot = 0;
          for (size_t d = 0; d < part; ++d) dot += at(i, 0, d) * at(j, 1, d);
          score[j] = blocked(i, j) ? 0 : std::exp(dot / std::sqrt(static_cast<double>(part)));
          total += score[j];
        }
        for (size_t d = 0; d < part; ++d) {
          double y = 0;
          for (size_t j = 0; j < length; ++j) y += score[j] / total * at(j, 2, d);
          seen[(n * length + i) * width + h * part + d] = y;
        }
      }
    }
  }
  return affine(seen, p.at(prefix + "out_proj.weight"), p.at(prefix + "out_proj.bias"), width);
}

Values layer_norm(const Values& x, const Values& weight, const Values& bias) {
  const size_t width = weight.size();
  Values y(x.size());
  for (size_t r = 0; r < x.size(); r += width) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < width; ++i) mean += x[r + i] / static_cast<double>(width);
    for (size_t i = 0; i < width; ++i) {
      square += (x[r + i] - mean) * (x[r + i] - mean) / static_cast<double>(width);
    }
    for (size_t i = 0; i < width; ++i) {
      y[r + i] = (x[r + i] - mean) / std::sqrt(square + 1e-5) * weight[i] + bias[i];
    }
  }
  return y;
}

Values sum_of(Values a, const Values& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// Every parameter drawn, so that none is at a value where mistakes hide.
void redraw(const nn::Module& m, Generator& rng) {
  NoGrad no_grad;
  for (const NamedTensor& p : m.parameters()) {
    Tensor(p.tensor).copy_(randn(p.tensor.shape(), rng) * 0.5);
  }
}

std::vector<std::string> names(const nn::Module& m) {
  std::vector<std::string> out;
  for (const NamedTensor& p : m.parameters()) out.push_back(p.name);
  return out;
}

}  // namespace

TEST_CASE("an LSTM cell computes its equations, and so do its gradients", "[nn]") {
  Generator rng(1);
  nn::LSTMCell cell(4, 5, rng);
  Tensor x = randn({3, 4}, rng), h = randn({3, 5}, rng), c = randn({3, 5}, rng);
  Tensor w = randn({3, 5}, rng);
  auto [next_h, next_c] = cell(x, {h, c});
  Step want = lstm_step(parameters(cell), "", values(x), {values(h), values(c)}, 4, 5);
  CHECK(gap(next_h, want.h) < 1e-6);
  CHECK(gap(next_c, want.c) < 1e-6);

  sum((next_h + next_c) * w).backward();
  CHECK(gradient_gap(cell, [&](const Parameters& p) {
          Step s = lstm_step(p, "", values(x), {values(h), values(c)}, 4, 5);
          return weighted(s.h, values(w)) + weighted(s.c, values(w));
        }) < 1e-5);
}

TEST_CASE("an LSTM cell starts at zeros and takes single rows", "[nn]") {
  Generator rng(2);
  nn::LSTMCell cell(4, 5, rng);
  Tensor x = randn({3, 4}, rng), zero = zeros({3, 5});
  nn::LSTMState state = cell(x);
  CHECK(same_bits(state.h, cell(x, {zero, zero}).h));
  nn::LSTMState row = cell(x.select(0, 1), {zero.select(0, 1), zero.select(0, 1)});
  CHECK(row.h.dim() == 1);
  CHECK(same_bits(row.h, state.h.select(0, 1)));
  CHECK(same_bits(row.c, cell(x.select(0, 1)).c));
}

TEST_CASE("an LSTM is its cells one after another, bit for bit", "[nn]") {
  constexpr int64_t kSteps = 6, kRows = 3, kIn = 4, kHidden = 5;
  for (bool batch_first : {false, true}) {
    for (bool both : {false, true}) {
      for (bool bias : {false, true}) {
        CAPTURE(batch_first, both, bias);
        Generator rng(3);
        nn::LSTM lstm(
            kIn, kHidden, rng,
            {.num_layers = 2, .bias = bias, .batch_first = batch_first, .bidirectional = both});
        const int64_t directions = both ? 2 : 1;
        Tensor x = randn({kSteps, kRows, kIn}, rng);
        Tensor h0 = randn({2 * directions, kRows, kHidden}, rng);
        Tensor c0 = randn({2 * directions, kRows, kHidden}, rng);
        std::vector<NamedTensor> p = lstm.parameters();
        size_t next = 0;
        Tensor y = x;
        std::vector<Tensor> h, c;
        for (int64_t layer = 0; layer < 2; ++layer) {
          std::vector<Tensor> rows[2];
          for (int64_t d = 0; d < directions; ++d) {
            nn::LSTMCell cell(y.sizes()[2], kHidden, rng, bias);
            NoGrad no_grad;
            for (const NamedTensor& q : cell.parameters()) {
              Tensor(q.tensor).copy_(p.at(next++).tensor);
            }
            const int64_t pass = layer * directions + d;
            nn::LSTMState s{h0.select(0, pass), c0.select(0, pass)};
            rows[d].resize(kSteps);
            for (int64_t i = 0; i < kSteps; ++i) {
              const int64_t t = d == 0 ? i : kSteps - 1 - i;
              s = cell(y.select(0, t), s);
              rows[d][static_cast<size_t>(t)] = s.h;
            }
            h.push_back(s.h.unsqueeze(0));
            c.push_back(s.c.unsqueeze(0));
          }
          std::vector<Tensor> joined;
          for (size_t t = 0; t < kSteps; ++t) {
            joined.push_back(
                (both ? concat({rows[0][t], rows[1][t]}, 1) : rows[0][t]).unsqueeze(0));
          }
          y = concat(joined, 0);
        }
        auto [output, state] = lstm(batch_first ? x.transpose(0, 1) : x, {h0, c0});
        CHECK(same_bits(batch_first ? output.transpose(0, 1) : output, y));
        CHECK(same_bits(state.h, concat(h, 0)));
        CHECK(same_bits(state.c, concat(c, 0)));
        CHECK(next == p.size());
      }
    }
  }
}

TEST_CASE("an LSTM's gradients through time match differences of its equations", "[nn]") {
  Generator rng(4);
  nn::LSTM lstm(2, 3, rng);
  Tensor x = randn({5, 2, 2}, rng), w = randn({5, 2, 3}, rng);
  sum(lstm(x).output * w).backward();
  CHECK(gradient_gap(lstm, [&](const Parameters& p) {
          Values in = values(x), weights = values(w);
          Step s{Values(6), Values(6)};
          double total = 0;
          for (size_t t = 0; t < 5; ++t) {
            s = lstm_step(p, "_l0", Values(&in[t * 4], &in[t * 4] + 4), s, 2, 3);
            total += weighted(s.h, Values(&weights[t * 6], &weights[t * 6] + 6));
          }
          return total;
        }) < 1e-5);
  nn::LSTMResult one = lstm(x.select(1, 0)), all = lstm(x);
  CHECK(same_bits(one.output, all.output.select(1, 0)));
  CHECK(same_bits(one.state.c, all.state.c.select(1, 0)));
}

TEST_CASE("parameters have PyTorch's names", "[nn]") {
  Generator rng(5);
  using Names = std::vector<std::string>;
  CHECK(names(nn::LSTMCell(2, 3, rng)) == Names{"weight_ih", "weight_hh", "bias_ih", "bias_hh"});
  CHECK(names(nn::LSTM(2, 3, rng, {.num_layers = 2, .bias = false, .bidirectional = true})) ==
        Names{"weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse",
              "weight_ih_l1", "weight_hh_l1", "weight_ih_l1_reverse", "weight_hh_l1_reverse"});
  CHECK(names(nn::MultiheadAttention(4, 2, rng)) ==
        Names{"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"});
  Names layer = {"self_attn.in_proj_weight",
                 "self_attn.in_proj_bias",
                 "self_attn.out_proj.weight",
                 "self_attn.out_proj.bias",
                 "linear1.weight",
                 "linear1.bias",
                 "linear2.weight",
                 "linear2.bias",
                 "norm1.weight",
                 "norm1.bias",
                 "norm2.weight",
                 "norm2.bias"};
  CHECK(names(nn::TransformerEncoderLayer(4, 2, rng)) == layer);
  for (std::string& n : layer) n = "layers.1." + n;
  Names encoder = names(nn::TransformerEncoder(2, 4, 2, rng));
  CHECK(Names(encoder.begin() + 12, encoder.end()) == layer);
  CHECK(names(nn::Embedding(3, 2, rng)) == Names{"weight"});
  CHECK(names(nn::LayerNorm(3)) == Names{"weight", "bias"});
}

TEST_CASE("attention computes its equations with and without masks, and so do its gradients",
          "[nn]") {
  Generator rng(6);
  constexpr size_t kRows = 2, kLength = 5, kWidth = 6, kHeads = 3;
  nn::MultiheadAttention attend(kWidth, kHeads, rng, {.batch_first = true});
  redraw(attend, rng);
  Tensor x = randn({kRows, kLength, kWidth}, rng), w = randn({kRows, kLength, kWidth}, rng);
  auto naive = [&](const Parameters& p, bool causal) {
    return attention(p, "", values(x), kRows, kLength, kWidth, kHeads,
                     [&](size_t i, size_t j) { return causal && j > i; });
  };
  CHECK(gap(attend(x), naive(parameters(attend), false)) < 1e-5);

  Tensor mask = nn::causal_mask(5), y = attend(x, mask);
  CHECK(gap(y, naive(parameters(attend), true)) < 1e-5);
  CHECK(same_bits(y.slice(1, 0, 3), attend(x.slice(1, 0, 3), nn::causal_mask(3))));
  Tensor added = where(mask, full({}, -INFINITY), zeros({}));
  CHECK(same_bits(attend(x, added), y));
  nn::MultiheadAttention other(kWidth, kHeads, rng);
  for (size_t i = 0; i < 4; ++i) {
    NoGrad no_grad;
    Tensor(other.parameters()[i].tensor).copy_(attend.parameters()[i].tensor);
  }
  CHECK(same_bits(other(x.transpose(0, 1), mask).transpose(0, 1), y));
  CHECK(same_bits(other(x.select(0, 1), mask), y.select(0, 1)));

  sum(y * w).backward();
  CHECK(gradient_gap(attend, [&](const Parameters& p) {
          return weighted(naive(p, true), values(w));
        }) < 2e-5);
}

TEST_CASE("attention to another sequence takes that sequence's keys and values", "[nn]") {
  Generator rng(7);
  nn::MultiheadAttention attend(4, 2, rng, {.batch_first = true});
  redraw(attend, rng);
  Tensor x = randn({2, 5, 4}, rng);
  Tensor query = x.slice(1, 1, 3);
  CHECK(same_bits(attend(query, x, x), attend(x).slice(1, 1, 3)));
}

TEST_CASE("a transformer layer computes its equations, norms after or before", "[nn]") {
  constexpr size_t kRows = 2, kLength = 4, kWidth = 6, kHeads = 2;
  for (bool first : {false, true}) {
    Generator rng(8);
    nn::TransformerEncoderLayer layer(
        kWidth, kHeads, rng,
        {.feedforward = 7, .dropout = 0, .batch_first = true, .norm_first = first});
    redraw(layer, rng);
    Tensor x = randn({kRows, kLength, kWidth}, rng), w = randn({kRows, kLength, kWidth}, rng);
    auto naive = [&](const Parameters& p) {
      auto norm = [&](const Values& v, const std::string& n) {
        return layer_norm(v, p.at(n + ".weight"), p.at(n + ".bias"));
      };
      auto self = [&](const Values& v) {
        return attention(p, "self_attn.", v, kRows, kLength, kWidth, kHeads,
                         [](size_t i, size_t j) { return j > i; });
      };
      auto forward = [&](const Values& v) {
        Values inner = affine(v, p.at("linear1.weight"), p.at("linear1.bias"), kWidth);
        for (double& d : inner) d = std::max(d, 0.0);
        return affine(inner, p.at("linear2.weight"), p.at("linear2.bias"), 7);
      };
      Values v = values(x);
      if (first) {
        v = sum_of(v, self(norm(v, "norm1")));
        return sum_of(v, forward(norm(v, "norm2")));
      }
      v = norm(sum_of(v, self(v)), "norm1");
      return norm(sum_of(v, forward(v)), "norm2");
    };
    Tensor y = layer(x, nn::causal_mask(4));
    CHECK(gap(y, naive(parameters(layer))) < 1e-5);
    sum(y * w).backward();
    CHECK(gradient_gap(layer, [&](const Parameters& p) { return weighted(naive(p), values(w)); }) <
          5e-5);
  }
}

TEST_CASE("a linear layer on a sequence takes its weight's gradient in one product", "[nn]") {
  Generator rng(14);
  nn::Linear linear(3, 6, rng);
  auto f = [&](const Tensor& x, const Tensor& w) {
    sum(linear(x) * w).backward();
    Tensor g = linear.weight.grad();
    linear.weight.set_grad({});
    linear.bias.set_grad({});
    return g;
  };
  Tensor x = randn({4, 5, 3}, rng), w = randn({4, 5, 6}, rng);
  Values want;
  for (size_t o = 0; o < 6; ++o) {
    for (size_t i = 0; i < 3; ++i) {
      double total = 0;
      for (size_t r = 0; r < 20; ++r) total += values(x)[r * 3 + i] * values(w)[r * 6 + o];
      want.push_back(total);
    }
  }
  CHECK(gap(f(x, w), want) < 1e-6);
  TraceOptions options;
  options.state = linear.state();
  options.dynamic = {{"x", 0, "N"}, {"w", 0, "N"}};
  Trace t = trace(f, {"x", "w"}, std::tuple(x, w), options);
  CHECK(t.text().find("[N, 3, 6]") == std::string::npos);  // a product for each row of the batch
  for (int64_t n : {0, 1, 7}) {
    const Tensor in[] = {randn({n, 5, 3}, rng), randn({n, 5, 6}, rng)};
    CHECK(same_bits(Compiled(t)(in).front(), f(in[0], in[1])));
  }
}

TEST_CASE("an embedding looks rows up, and its gradient counts them", "[nn]") {
  Generator rng(9);
  nn::Embedding table(5, 3, rng);
  Tensor ids = from_vector<int64_t>({4, 0, 4, 2}, {2, 2});
  Tensor y = table(ids);
  CHECK(y.sizes().size() == 3);
  CHECK(same_bits(y.select(0, 1).select(0, 0), table.weight.select(0, 4)));
  sum(y).backward();
  CHECK(table.weight.grad().to_vector<float>() ==
        std::vector<float>{1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 2, 2, 2});
  CHECK_THROWS_WITH(table(tensor<int64_t>({5})), Contains("5") && Contains("nn_test.cpp"));
}

TEST_CASE("layer norm takes several axes", "[nn]") {
  Generator rng(10);
  nn::LayerNorm norm(std::vector<int64_t>{2, 3});
  redraw(norm, rng);
  Tensor x = randn({4, 2, 3}, rng);
  CHECK(gap(norm(x), layer_norm(values(x), values(norm.weight), values(norm.bias))) < 1e-5);
}

TEST_CASE("dropout zeroes a share p and keeps the mean, and does nothing in evaluation", "[nn]") {
  Generator rng(11);
  Tensor x = ones({100, 100});
  for (double p : {0.0, 0.25, 1.0}) {
    nn::Dropout drop(p, rng);
    Tensor leaf = x.detach().requires_grad_();
    Tensor y = drop(leaf);
    std::vector<float> v = y.to_vector<float>();
    const double share = static_cast<double>(std::count(v.begin(), v.end(), 0.0F)) / 1e4;
    CHECK(std::abs(share - p) < 0.02);
    if (p < 1) CHECK(std::abs(mean(y).item<float>() - 1) < 0.02);
    sum(y).backward();
    CHECK(same_bits(leaf.grad(), y));  // of a row of ones
    drop.eval();
    CHECK(same_bits(drop(x), x));
  }
  CHECK_THROWS_WITH(nn::Dropout(1.5, rng), Contains("[0, 1]") && Contains("1.5"));
}

TEST_CASE("modules say what does not fit, with the caller's line", "[nn]") {
  Generator rng(12);
  nn::LSTMCell cell(4, 5, rng);
  nn::LSTM lstm(4, 5, rng, {.num_layers = 2});
  nn::MultiheadAttention attend(4, 2, rng);
  nn::LayerNorm norm(3);
  Tensor x = zeros({3, 4}), h = zeros({3, 5});
  auto line = Contains("nn_test.cpp:");
  CHECK_THROWS_WITH(cell(zeros({3, 3})), Contains("size 4") && Contains("[3, 3]") && line);
  CHECK_THROWS_WITH(cell(x, {h, Tensor()}), Contains("only one of h and c") && line);
  CHECK_THROWS_WITH(cell(x, {h, zeros({1, 5})}), Contains("size 3") && Contains("[1, 5]") && line);
  CHECK_THROWS_WITH(cell(x, {h, zeros({3, 6})}), Contains("size 5") && Contains("[3, 6]") && line);
  CHECK_THROWS_WITH(cell(Tensor()), Contains("undefined") && line);
  CHECK_THROWS_WITH(lstm(zeros({0, 3, 4})), Contains("at least one step") && line);
  CHECK_THROWS_WITH(lstm(zeros({2, 3, 4}), {zeros({1, 3, 5}), zeros({1, 3, 5})}),
                    Contains("size 2") && Contains("[1, 3, 5]") && line);
  CHECK_THROWS_WITH(lstm(zeros({1, 2, 3, 4})), Contains("[T, N, 4]") && line);
  CHECK_THROWS_WITH(attend(zeros({2, 3, 5})), Contains("size 4") && line);
  CHECK_THROWS_WITH(norm(zeros({2, 4})), Contains("size 3") && Contains("[2, 4]") && line);
  CHECK_THROWS_WITH(nn::MultiheadAttention(5, 2, rng), Contains("2 heads"));
  CHECK_THROWS_WITH(nn::LSTM(0, 2, rng), Contains("at least 1"));
}

TEST_CASE("recurrent and attention modules trace with a symbolic batch", "[nn]") {
  Generator rng(13);
  nn::Embedding table(11, 6, rng);
  nn::LSTM lstm(6, 4, rng, {.bidirectional = true});
  nn::TransformerEncoder encoder(2, 6, 2, rng, {.feedforward = 8, .batch_first = true});
  lstm.eval();
  encoder.eval();
  TraceOptions options;
  for (const NamedTensor& s : table.state("table")) options.state.push_back(s);
  for (const NamedTensor& s : lstm.state("lstm")) options.state.push_back(s);
  for (const NamedTensor& s : encoder.state("encoder")) options.state.push_back(s);
  options.dynamic = {{"ids", 0, "N"}};
  auto f = [&](const Tensor& ids) {
    NoGrad no_grad;
    Tensor x = table(ids);
    Tensor y = encoder(x, nn::causal_mask(x.size(1)));
    return concat({lstm(x.transpose(0, 1)).output.transpose(0, 1), y}, 2);
  };
  auto ids = [&](int64_t n) { return (rand({n, 7}, rng) * 11).to(DType::I64); };
  Compiled g(trace(f, {"ids"}, std::tuple(ids(3)), options), {.strict = true});
  CHECK(g.trace().text().find("encoder") != std::string::npos);
  for (int64_t n : {0, 1, 2, 19}) {
    Tensor x = ids(n);
    CHECK(same_bits(g(x), f(x)));
  }
  CHECK(g.stats().fallbacks == 0);
}
