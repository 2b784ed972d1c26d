// Programs over trees and sentences as the peers of batch_bench run them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/measure.h"

namespace etch::bench {

/// A parameter of the Etch model; peers start from a copy.
struct Parameter {
  std::string name;
  std::vector<int64_t> sizes;
  const float* data = nullptr;
};

/// A tree, children before their parents, the root last.
struct FlatTree {
  struct Node {
    int64_t row = -1;               // of x, for leaves
    int64_t left = -1, right = -1;  // positions in the tree, for the others
  };
  std::vector<Node> nodes;
};

/// A program that a peer runs; what it gave last.
struct PeerProgram {
  Run forward;                                 // without gradients
  std::function<std::vector<float>()> logits;  // of the latest forward()
  Run train;                                   // forward, backward and SGD
  std::function<float()> loss;                 // of the latest train()
};

namespace torch_peer {

std::string version();

/// Logits of all trees, targets one per tree.
PeerProgram treelstm(const std::vector<Parameter>& parameters, const std::vector<FlatTree>& forest,
                     const float* x, int64_t rows, int64_t features, const int64_t* targets,
                     double rate);
/// Logits of all words, targets one per word.
PeerProgram bilstm(const std::vector<Parameter>& parameters, const std::vector<int64_t>& lengths,
                   const int64_t* words, const int64_t* targets, double rate);

}  // namespace torch_peer

}  // namespace etch::bench
