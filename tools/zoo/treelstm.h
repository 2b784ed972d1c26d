// A binary TreeLSTM (Tai et al., 2015) over a forest, written node by node.
#pragma once

#include <memory>
#include <vector>

#include "etch/nn.h"

namespace etch::zoo {

/// A binary tree with the rows of x at its leaves.
struct Tree {
  int64_t row = 0;  // of a leaf
  std::unique_ptr<Tree> left, right;
  bool is_leaf() const { return left == nullptr; }
};

/// `trees` random trees of leaves / 2 to 3 * leaves / 2 leaves, which take the rows of x in order.
std::vector<std::unique_ptr<Tree>> random_forest(int64_t trees, int64_t leaves, uint64_t seed);
/// Leaves of all trees: the rows of x.
int64_t leaf_count(const std::vector<std::unique_ptr<Tree>>& forest);

class TreeLstm : public nn::Module {
 public:
  TreeLstm(int64_t features, int64_t hidden, int64_t classes, Generator& rng);
  /// Logits [trees, classes] from x [leaves, features].
  Tensor operator()(const std::vector<std::unique_ptr<Tree>>& forest, const Tensor& x);

 private:
  struct NodeState {
    Tensor h, c;  // [1, hidden]
  };
  NodeState encode(const Tree& tree, const Tensor& x);

  std::shared_ptr<nn::Linear> leaf_, node_, head_;
};

}  // namespace etch::zoo
