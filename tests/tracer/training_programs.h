// Whole training steps as users write them, for training_test.cpp.
#pragma once

#include <functional>
#include <memory>

#include "etch/jit.h"

namespace etch::test {

/// One training in progress. Equal ones do the same.
struct Training {
  std::vector<std::string> names;  // of the step's inputs
  std::vector<DynamicDim> dynamic;
  /// Batch i, always the same.
  std::function<std::vector<Tensor>(int64_t i)> batch;
  /// One step on a batch; returns its losses.
  std::function<std::vector<Tensor>(std::span<const Tensor>)> step;
  /// Everything that steps change.
  std::vector<NamedTensor> state;
};

/// Convolutions, batch norm, dropout and Adam on the images of examples/digits, a smaller last
/// batch in each epoch.
Training digits_training();
/// Embedding, LSTM in both directions, cross-entropy over all words, clipping by norm, SGD with
/// momentum and a cosine schedule.
Training tagger_training();
/// Embeddings, causal attention, layer norm, dropout, AdamW after a warm-up, gradients of two
/// micro- batches added up.
Training transformer_training();
/// Generator and critic (Gulrajani et al., 2017) on points of the plane: noise and interpolation
/// are drawn inside, the penalty is on the norm of the critic's gradient, Adam for both.
Training wgan_training();

}  // namespace etch::test
