#include <torch/torch.h>

#include <map>
#include <memory>
#include <numeric>

#include "bench/batch_bench.h"

namespace etch::bench::torch_peer {

namespace {

using at::Tensor;

/// Parameters by name, one function to logits, and targets.
struct Program {
  Program(const std::vector<Parameter>& list, std::vector<int64_t> targets, double rate)
      : targets(torch::tensor(targets, torch::kInt64)) {
    std::vector<Tensor> all;
    for (const Parameter& p : list) {
      weights[p.name] =
          torch::from_blob(const_cast<float*>(p.data), p.sizes, torch::kFloat32).clone();
      all.push_back(weights[p.name].requires_grad_());
    }
    sgd = std::make_unique<torch::optim::SGD>(all, rate);
  }
  const Tensor& operator()(const std::string& name) const { return weights.at(name); }
  Tensor linear(const std::string& path, const Tensor& x) const {
    return torch::linear(x, weights.at(path + ".weight"), weights.at(path + ".bias"));
  }
  std::map<std::string, Tensor> weights;
  Tensor targets, logits, loss;
  std::unique_ptr<torch::optim::SGD> sgd;
  std::function<Tensor()> function;
};

PeerProgram peer_of(const std::shared_ptr<Program>& p) {
  return {[p] {
            c10::InferenceMode inside;
            p->logits = p->function();
          },
          [p] {
            const auto* data = p->logits.data_ptr<float>();
            return std::vector<float>(data, data + p->logits.numel());
          },
          [p] {
            p->loss = torch::cross_entropy_loss(p->function(), p->targets);
            p->sgd->zero_grad();
            p->loss.backward();
            p->sgd->step();
          },
          [p] { return p->loss.item<float>(); }};
}

Tensor tree_root(const Program& p, const FlatTree& tree, const Tensor& x) {
  std::vector<std::pair<Tensor, Tensor>> states;  // h and c
  for (const FlatTree::Node& n : tree.nodes) {
    if (n.left < 0) {
      const std::vector<Tensor> gate = p.linear("leaf", x.narrow(0, n.row, 1)).chunk(3, 1);
      const Tensor c = torch::sigmoid(gate[0]) * torch::tanh(gate[2]);
      states.emplace_back(torch::sigmoid(gate[1]) * torch::tanh(c), c);
      continue;
    }
    const auto& left = states[static_cast<size_t>(n.left)];
    const auto& right = states[static_cast<size_t>(n.right)];
    const std::vector<Tensor> gate =
        p.linear("node", torch::cat({left.first, right.first}, 1)).chunk(5, 1);
    const Tensor c = torch::sigmoid(gate[0]) * torch::tanh(gate[4]) +
                     torch::sigmoid(gate[1]) * left.second + torch::sigmoid(gate[2]) * right.second;
    states.emplace_back(torch::sigmoid(gate[3]) * torch::tanh(c), c);
  }
  return p.linear("head", states.back().first);
}

/// The cell of the C++ module torch::nn::LSTMCell, whose one call is faster than its operators.
std::vector<Tensor> direction(const Program& p, const std::string& path,
                              const std::vector<Tensor>& words, bool reverse) {
  std::vector<Tensor> out(words.size());
  const int64_t hidden = p(path + ".weight_hh").size(1);
  Tensor h = torch::zeros({1, hidden}), c = torch::zeros({1, hidden});
  for (size_t k = 0; k < words.size(); ++k) {
    const size_t i = reverse ? words.size() - 1 - k : k;
    std::tie(h, c) =
        torch::lstm_cell(words[i], {h, c}, p(path + ".weight_ih"), p(path + ".weight_hh"),
                         p(path + ".bias_ih"), p(path + ".bias_hh"));
    out[i] = h;
  }
  return out;
}

}  // namespace

std::string version() { return TORCH_VERSION; }

PeerProgram treelstm(const std::vector<Parameter>& parameters, const std::vector<FlatTree>& forest,
                     const float* x, int64_t rows, int64_t features, const int64_t* targets,
                     double rate) {
  auto p = std::make_shared<Program>(parameters,
                                     std::vector<int64_t>(targets, targets + forest.size()), rate);
  const Tensor in =
      torch::from_blob(const_cast<float*>(x), {rows, features}, torch::kFloat32).clone();
  p->function = [p = p.get(), forest, in] {
    std::vector<Tensor> logits;
    for (const FlatTree& tree : forest) logits.push_back(tree_root(*p, tree, in));
    return torch::cat(logits, 0);
  };
  return peer_of(p);
}

PeerProgram bilstm(const std::vector<Parameter>& parameters, const std::vector<int64_t>& lengths,
                   const int64_t* words, const int64_t* targets, double rate) {
  const int64_t count = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  auto p =
      std::make_shared<Program>(parameters, std::vector<int64_t>(targets, targets + count), rate);
  const Tensor in = torch::tensor(std::vector<int64_t>(words, words + count), torch::kInt64);
  p->function = [p = p.get(), lengths, in] {
    std::vector<Tensor> logits;
    int64_t at = 0;
    for (int64_t length : lengths) {
      std::vector<Tensor> sentence;
      for (int64_t i = 0; i < length; ++i, ++at) {
        sentence.push_back(torch::embedding((*p)("words.weight"), in.narrow(0, at, 1)));
      }
      const std::vector<Tensor> ahead = direction(*p, "forward", sentence, false);
      const std::vector<Tensor> back = direction(*p, "backward", sentence, true);
      for (size_t i = 0; i < sentence.size(); ++i) {
        logits.push_back(p->linear("head", torch::cat({ahead[i], back[i]}, 1)));
      }
    }
    return torch::cat(logits, 0);
  };
  return peer_of(p);
}

}  // namespace etch::bench::torch_peer
