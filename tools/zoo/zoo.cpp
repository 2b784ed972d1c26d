#include "tools/zoo/zoo.h"

#include <array>
#include <cmath>

#include "etch/autograd.h"
#include "etch/ops.h"

namespace etch::zoo {

std::span<const ModelEntry> models() {
  static const std::array<ModelEntry, 6> kModels = {{
      {"mlp",
       "perceptron 64-128-10 with relu, x f32[N, 64]",
       {{"features", 64, 1, 65536, "columns of x"},
        {"hidden", 128, 1, 65536, "width of the hidden layer"},
        {"classes", 10, 2, 65536, "number of logits"},
        {"seed", 1, 0, INT64_MAX, "of the weights"}},
       &mlp},
      {"lenet",
       "LeNet-5 with relu and max pooling, x f32[N, 1, 28, 28]",
       {{"classes", 10, 2, 65536, "number of logits"}, {"seed", 1, 0, INT64_MAX, "of the weights"}},
       &lenet},
      {"resnet18",
       "ResNet-18 with batch norm in evaluation mode, x f32[N, 3, height, width]",
       {{"classes", 1000, 2, 65536, "number of logits"},
        {"height", 224, 32, 4096, "rows of an image"},
        {"width", 224, 32, 4096, "columns of an image"},
        {"seed", 1, 0, INT64_MAX, "of the weights"}},
       &resnet18},
      {"transformer",
       "transformer over tokens with a causal mask, ids i64[N, length]",
       {{"layers", 4, 1, 1024, "encoder layers"},
        {"width", 64, 1, 65536, "features of a token"},
        {"heads", 4, 1, 1024, "of attention; they divide the width"},
        {"vocabulary", 256, 2, 1048576, "different tokens"},
        {"length", 32, 1, 65536, "tokens of a row"},
        {"seed", 1, 0, INT64_MAX, "of the weights"}},
       &transformer},
      {"treelstm",
       "binary TreeLSTM over a forest of random trees, x f32[leaves of all trees, features]",
       {{"trees", 8, 1, 4096, "in the forest"},
        {"leaves", 8, 1, 4096, "of a tree on average; half to one and a half times as many"},
        {"features", 32, 1, 65536, "columns of x"},
        {"hidden", 32, 1, 65536, "width of h and c"},
        {"classes", 5, 2, 65536, "number of logits"},
        {"seed", 1, 0, INT64_MAX, "of the weights and the trees"}},
       &treelstm},
      {"bilstm",
       "bidirectional LSTM tagger over sentences of different lengths, words i64[all words]",
       {{"sentences", 8, 1, 4096, "one after the other in words"},
        {"words", 8, 1, 4096, "of a sentence on average; half to one and a half times as many"},
        {"vocabulary", 100, 10, 1 << 24, "number of different words"},
        {"features", 32, 1, 65536, "width of an embedded word"},
        {"hidden", 32, 1, 65536, "width of h and c, for each direction"},
        {"tags", 9, 2, 65536, "number of logits"},
        {"seed", 1, 0, INT64_MAX, "of the weights and the lengths"}},
       &bilstm},
  }};
  return kModels;
}

void scaled_normal(Tensor weight, int64_t fan_in, double gain, Generator& rng) {
  NoGrad no_grad;
  weight.copy_(randn(weight.shape(), rng) * std::sqrt(gain / static_cast<double>(fan_in)));
}

void he_normal(Tensor weight, int64_t fan_in, Generator& rng) {
  scaled_normal(std::move(weight), fan_in, 2, rng);
}

void calibrate(nn::Module& module, nn::Linear& head, const std::function<Tensor()>& forward) {
  NoGrad no_grad;
  module.train();
  forward();
  module.eval();
  Tensor scale = rsqrt(mean(square(forward())));
  head.weight.mul_(scale);
  if (head.bias.defined()) head.bias.mul_(scale);
}

}  // namespace etch::zoo
