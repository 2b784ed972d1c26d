// Whole models as the peers of model_bench run them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/measure.h"

namespace etch::bench {

/// A parameter or buffer of the Etch model; peers start from a copy.
struct Weight {
  std::string name;
  std::vector<int64_t> sizes;
  const float* data = nullptr;
};

struct Inference {
  Run run;
  /// What the latest run gave.
  std::function<std::vector<float>()> result;
};

/// Images [rows, 1, 8, 8] and their digits; owned by the caller.
struct Batch {
  int64_t rows = 0;
  const float* x = nullptr;
  const int64_t* y = nullptr;
};

struct Training {
  std::function<void(size_t batch)> step;
  /// The loss of the latest step.
  std::function<float()> loss;
};

namespace torch_peer {

std::string version();

/// ResNet-18 in evaluation mode, by the weights' names in `zoo:resnet18`; x [1, 3, side, side].
Inference resnet18(const std::vector<Weight>& weights, int64_t side, const float* x);

/// The network of examples/digits, with cross-entropy and Adam.
Training digits(const std::vector<Weight>& weights, const std::vector<Batch>& batches, double lr);

}  // namespace torch_peer

namespace ort_peer {

/// The shared library: $ORT_LIB, or that of the Python environment beside the program; "" if none.
std::string library();
/// Raises UserError when the library cannot be used.
std::string version();
/// A model from memory with one input and one output, both f32, at all optimisations.
Inference model(const std::string& onnx, int threads, const std::string& input,
                std::vector<int64_t> sizes, float* x, const std::string& output,
                size_t output_numel);

}  // namespace ort_peer

}  // namespace etch::bench
