#include "tools/zoo/treelstm.h"

#include <random>

#include "etch/ops.h"
#include "tools/zoo/zoo.h"

namespace etch::zoo {

namespace {

using Random = std::mt19937_64;
using Forest = std::vector<std::unique_ptr<Tree>>;

/// A tree over the rows [begin, end).
std::unique_ptr<Tree> random_tree(int64_t begin, int64_t end, Random& random) {
  auto tree = std::make_unique<Tree>();
  tree->row = begin;
  if (end - begin == 1) return tree;
  const int64_t middle =
      begin + 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(end - begin - 1));
  tree->left = random_tree(begin, middle, random);
  tree->right = random_tree(middle, end, random);
  return tree;
}

int64_t leaf_count(const Tree& tree) {
  return tree.is_leaf() ? 1 : leaf_count(*tree.left) + leaf_count(*tree.right);
}

}  // namespace

Forest random_forest(int64_t trees, int64_t leaves, uint64_t seed) {
  Random random(seed);
  Forest forest;
  int64_t row = 0;
  for (int64_t i = 0; i < trees; ++i) {
    const int64_t count = std::max<int64_t>(1, leaves / 2) +
                          static_cast<int64_t>(random() % static_cast<uint64_t>(leaves + 1));
    forest.push_back(random_tree(row, row + count, random));
    row += count;
  }
  return forest;
}

int64_t leaf_count(const Forest& forest) {
  int64_t n = 0;
  for (const auto& tree : forest) n += leaf_count(*tree);
  return n;
}

TreeLstm::TreeLstm(int64_t features, int64_t hidden, int64_t classes, Generator& rng) {
  leaf_ = add_module("leaf", std::make_shared<nn::Linear>(features, 3 * hidden, rng));
  node_ = add_module("node", std::make_shared<nn::Linear>(2 * hidden, 5 * hidden, rng));
  head_ = add_module("head", std::make_shared<nn::Linear>(hidden, classes, rng));
  scaled_normal(leaf_->weight, features, 1, rng);
  scaled_normal(node_->weight, 2 * hidden, 2, rng);
  scaled_normal(head_->weight, hidden, 8, rng);
}

TreeLstm::NodeState TreeLstm::encode(const Tree& tree, const Tensor& x) {
  if (tree.is_leaf()) {
    const std::vector<Tensor> gate = (*leaf_)(x.narrow(0, tree.row, 1)).chunk(3, 1);
    const Tensor c = sigmoid(gate[0]) * tanh(gate[2]);
    return {sigmoid(gate[1]) * tanh(c), c};
  }
  const NodeState left = encode(*tree.left, x), right = encode(*tree.right, x);
  const std::vector<Tensor> gate = (*node_)(concat({left.h, right.h}, 1)).chunk(5, 1);
  const Tensor c =
      sigmoid(gate[0]) * tanh(gate[4]) + sigmoid(gate[1]) * left.c + sigmoid(gate[2]) * right.c;
  return {sigmoid(gate[3]) * tanh(c), c};
}

Tensor TreeLstm::operator()(const Forest& forest, const Tensor& x) {
  std::vector<Tensor> logits;
  for (const auto& tree : forest) logits.push_back((*head_)(encode(*tree, x).h));
  return concat(logits, 0);
}

Model treelstm(const ModelParameters& parameters) {
  NoGrad no_grad;
  const auto seed = static_cast<uint64_t>(parameters.at("seed"));
  Generator rng(seed);
  const int64_t features = parameters.at("features");
  auto forest = std::make_shared<const Forest>(
      random_forest(parameters.at("trees"), parameters.at("leaves"), seed));
  auto net =
      std::make_shared<TreeLstm>(features, parameters.at("hidden"), parameters.at("classes"), rng);
  Model out;
  out.inputs = {{"x", zeros({leaf_count(*forest), features})}};
  out.state = net->state();
  out.function = [net, forest](std::span<const Tensor> in) {
    NoGrad inside;
    return std::vector<NamedTensor>{{"logits", (*net)(*forest, in[0])}};
  };
  return out;
}

}  // namespace etch::zoo
