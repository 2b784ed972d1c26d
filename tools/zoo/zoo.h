// Models that come with the command. Weights are drawn from a seed and scaled so that activations
// keep unit variance and logits vary with input and class.
#pragma once

#include "etch/model.h"

namespace etch::zoo {

/// Every model, in the order they are listed.
std::span<const ModelEntry> models();

/// Perceptron 64-128-10 with relu, on rows of 64 features.
Model mlp(const ModelParameters& parameters);
/// LeNet-5 (LeCun et al., 1998) with relu and max pooling, on images of 28 x 28.
Model lenet(const ModelParameters& parameters);
/// ResNet-18 (He et al., 2016), on images [N, 3, height, width].
Model resnet18(const ModelParameters& parameters);
/// Transformer over tokens under a causal mask, norms first; its layers are layers.0, layers.1, ...
Model transformer(const ModelParameters& parameters);
/// Binary TreeLSTM (Tai et al., 2015) over a forest of random trees, node by node.
Model treelstm(const ModelParameters& parameters);
/// Bidirectional LSTM tagger over sentences of different lengths, word by word.
Model bilstm(const ModelParameters& parameters);

/// Normal weights of variance 2 / fan_in (He et al., 2015): relu layers keep the variance.
void he_normal(Tensor weight, int64_t fan_in, Generator& rng);

/// Normal weights of variance `gain` / fan_in.
void scaled_normal(Tensor weight, int64_t fan_in, double gain, Generator& rng);

/// Runs `forward` once in training mode, so that batch norms with momentum 1 keep that batch's
/// statistics, then leaves the module in evaluation mode and scales `head` so that the logits that
/// `forward` returns have a root mean square of 1.
void calibrate(nn::Module& module, nn::Linear& head, const std::function<Tensor()>& forward);

}  // namespace etch::zoo
