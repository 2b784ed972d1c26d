// Modules: mutable C++ objects with named parameters and buffers. In libetch.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "etch/ops.h"
#include "etch/random.h"
#include "etch/scope.h"
#include "etch/tree.h"
#include "ir/attrs.h"

namespace etch::nn {

/// Base of everything with parameters. A module registers tensors and children in its constructor;
/// names join to paths ("encoder.0.weight").
class Module {
 public:
  virtual ~Module() = default;
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Trainable tensors, own and children's, in registration order.
  std::vector<NamedTensor> parameters(const std::string& prefix = "") const;
  /// Parameters and buffers: what saving and tracing need.
  std::vector<NamedTensor> state(const std::string& prefix = "") const;
  /// Training mode, of children too; dropout and batch norm look at it.
  void train(bool on = true);
  void eval() { train(false); }
  /// Inside jit, reading it guards it: a recording made in training is not replayed in evaluation.
  bool training() const;

 protected:
  Tensor add_parameter(std::string name, Tensor t);
  Tensor add_buffer(std::string name, Tensor t);
  template <class M>
  std::shared_ptr<M> add_module(std::string name, std::shared_ptr<M> m) {
    adopt(std::move(name), m);
    return m;
  }
  /// The name this module got from its parent; opened as a Scope by forward().
  const std::string& scope_name() const { return scope_name_; }

 private:
  void adopt(std::string name, std::shared_ptr<Module> m);
  std::vector<NamedTensor> parameters_, buffers_;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> children_;
  std::string scope_name_;
  std::shared_ptr<bool> training_ = std::make_shared<bool>(true);
};

/// A module from one tensor to one tensor.
class Layer : public Module {
 public:
  Tensor operator()(const Tensor& x, std::source_location loc = std::source_location::current());

 protected:
  virtual Tensor forward(const Tensor& x) = 0;
};

/// x [.., in] -> x W^T + b [.., out]; W [out, in] and b start uniform in +-1/sqrt(in).
class Linear : public Layer {
 public:
  Linear(int64_t in, int64_t out, Generator& rng, bool bias = true);
  Tensor weight, bias;

 protected:
  Tensor forward(const Tensor& x) override;
};

/// Layers one after another, named "0", "1", ...
class Sequential : public Layer {
 public:
  Sequential(std::initializer_list<std::shared_ptr<Layer>> layers);

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<std::shared_ptr<Layer>> layers_;
};

/// A function of one tensor as a layer.
class Activation : public Layer {
 public:
  using Function = Tensor (*)(const Tensor&, std::source_location);
  explicit Activation(Function f) : f_(f) {}

 protected:
  Tensor forward(const Tensor& x) override { return f_(x, std::source_location::current()); }

 private:
  Function f_;
};

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// x [N, in, H, W] -> [N, out, H', W'] with square kernels; weight [out, in / groups, k, k] and
/// bias start uniform in +-1/sqrt(in / groups * k * k).
class Conv2d : public Layer {
 public:
  Conv2d(int64_t in, int64_t out, int64_t kernel, Generator& rng, Conv2dOptions options = {});
  Tensor weight, bias;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  Conv2dOptions options_;
};

/// Per-channel normalisation of [N, C, H, W]: by the batch's statistics in training (which also
/// move the running ones by `momentum`, variance unbiased), by the running ones in evaluation.
class BatchNorm2d : public Layer {
 public:
  explicit BatchNorm2d(int64_t channels, double eps = 1e-5, double momentum = 0.1);
  Tensor weight, bias, running_mean, running_var;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  double eps_, momentum_;
};

/// The largest element of every window.
class MaxPool2d : public Layer {
 public:
  explicit MaxPool2d(int64_t kernel, int64_t stride = 0, int64_t padding = 0)
      : kernel_(kernel), stride_(stride == 0 ? kernel : stride), padding_(padding) {}

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  int64_t kernel_, stride_, padding_;
};

/// [N, ...] -> [N, product].
class Flatten : public Layer {
 protected:
  Tensor forward(const Tensor& x) override { return x.flatten(1); }
};

/// Zeroes elements with probability p in training and scales the rest by 1 / (1 - p). Draws from
/// `rng`, which has to outlive the layer. UserError unless 0 <= p <= 1.
class Dropout : public Layer {
 public:
  Dropout(double p, Generator& rng);

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
  Generator& rng_;
};

/// Normalised over the trailing axes of sizes `shape`, then times weight plus bias, which have that
/// shape and start at 1 and 0.
class LayerNorm : public Layer {
 public:
  explicit LayerNorm(const std::vector<int64_t>& shape, double eps = 1e-5);
  explicit LayerNorm(int64_t features, double eps = 1e-5)
      : LayerNorm(std::vector<int64_t>{features}, eps) {}
  Tensor weight, bias;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<int64_t> shape_;
  double eps_;
};

/// Integer ids of any shape -> rows of weight [count, features], which starts standard normal.
/// Negative ids count from the end; one that is out of range raises.
class Embedding : public Layer {
 public:
  Embedding(int64_t count, int64_t features, Generator& rng);
  Tensor weight;

 protected:
  Tensor forward(const Tensor& ids) override;
};

/// Hidden and cell state; undefined tensors stand for zeros.
struct LSTMState {
  Tensor h, c;
  static constexpr auto fields() {
    return std::tuple{ir::field("h", &LSTMState::h), ir::field("c", &LSTMState::c)};
  }
};

/// One step of an LSTM (Hochreiter and Schmidhuber, 1997): with i, f, g, o the quarters of
/// x W_ih^T + b_ih + h W_hh^T + b_hh, c' = sigmoid(f) c + sigmoid(i) tanh(g) and
/// h' = sigmoid(o) tanh(c'). x [N, in] or [in], states [N, hidden] or [hidden]. weight_ih
/// [4 hidden, in], weight_hh [4 hidden, hidden] and the biases [4 hidden] start uniform in
/// +-1/sqrt(hidden).
class LSTMCell : public Module {
 public:
  LSTMCell(int64_t in, int64_t hidden, Generator& rng, bool bias = true);
  LSTMState operator()(const Tensor& x, const LSTMState& state = {},
                       std::source_location loc = std::source_location::current());
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;

 private:
  int64_t in_, hidden_;
};

struct LSTMOptions {
  int64_t num_layers = 1;
  bool bias = true;
  bool batch_first = false;    // [N, T, in] instead of [T, N, in]
  bool bidirectional = false;  // a second pass from the end; outputs side by side
  double dropout = 0;          // of every layer's outputs but the last one's
};

struct LSTMResult {
  Tensor output;    // [T, N, D hidden], the last layer's h at every step; D is 2 if bidirectional
  LSTMState state;  // after the last step [num_layers D, N, hidden], a layer's reverse after it
  static constexpr auto fields() {
    return std::tuple{ir::field("output", &LSTMResult::output),
                      ir::field("state", &LSTMResult::state)};
  }
};

/// LSTMCells over a sequence [T, N, in] (or [T, in] without a batch), T at least 1, with PyTorch's
/// parameter names: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ..._l0_reverse, ..._l1. The
/// loop over T is the host's: a trace of it is for that T. `rng` has to outlive a module with
/// dropout.
class LSTM : public Module {
 public:
  LSTM(int64_t in, int64_t hidden, Generator& rng, LSTMOptions options = {});
  LSTMResult operator()(const Tensor& x, const LSTMState& state = {},
                        std::source_location loc = std::source_location::current());

 private:
  struct Weights {
    Tensor ih, hh, bias_ih, bias_hh;
  };
  LSTMState run(const Tensor& x, int64_t steps, const Weights& w, LSTMState state, bool reverse,
                std::vector<Tensor>& outputs) const;
  LSTMResult layers(const Tensor& x, const LSTMState& state);

  int64_t in_, hidden_;
  LSTMOptions options_;
  std::vector<Weights> weights_;  // by layer, a layer's reverse after it
  std::shared_ptr<Dropout> dropout_;
};

/// bool [length, length], true above the diagonal: what a position may not look at when it only
/// knows what came before.
Tensor causal_mask(SizeArg length, std::source_location loc = std::source_location::current());

struct AttentionOptions {
  double dropout = 0;  // of the attention weights
  bool bias = true;
  bool batch_first = false;  // [N, L, E] instead of [L, N, E]
};

/// Scaled dot-product attention in `heads` parts of the E features (Vaswani et al., 2017).
/// Parameters as PyTorch's: in_proj_weight [3 E, E] (of query, key and value) uniform in
/// +-sqrt(6 / 4 E), in_proj_bias, out_proj.weight uniform in +-1/sqrt(E), out_proj.bias; biases
/// start at 0. `rng` has to outlive a module with dropout.
class MultiheadAttention : public Module {
 public:
  MultiheadAttention(int64_t features, int64_t heads, Generator& rng,
                     AttentionOptions options = {});
  /// query [L, N, E] (or [L, E] without a batch), key and value [S, N, E] -> [L, N, E]. `mask`
  /// broadcasts against the scores [N, heads, L, S]: bool, true where looking is not allowed, or
  /// floats that are added.
  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                    const Tensor& mask = {},
                    std::source_location loc = std::source_location::current());
  /// Attention of a sequence to itself.
  Tensor operator()(const Tensor& x, const Tensor& mask = {},
                    std::source_location loc = std::source_location::current()) {
    return (*this)(x, x, x, mask, loc);
  }
  Tensor in_proj_weight, in_proj_bias;

 private:
  Tensor project(const Tensor& x, int64_t part) const;
  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask);

  int64_t features_, heads_;
  bool batch_first_;
  std::shared_ptr<Linear> out_proj_;
  std::shared_ptr<Dropout> dropout_;
};

struct TransformerOptions {
  int64_t feedforward = 2048;  // features between the two linear layers
  double dropout = 0.1;
  Activation::Function activation = &relu;
  double eps = 1e-5;
  bool batch_first = false;  // [N, L, E] instead of [L, N, E]
  bool norm_first = false;   // normalise what goes into a sublayer instead of its sum with x
};

/// Attention of a sequence to itself, then two linear layers, each added to what went in, and
/// normalised. Names as PyTorch's: self_attn, linear1, linear2, norm1, norm2. `rng` has to outlive
/// it.
class TransformerEncoderLayer : public Module {
 public:
  TransformerEncoderLayer(int64_t features, int64_t heads, Generator& rng,
                          TransformerOptions options = {});
  /// x [L, N, E] -> the same; `mask` as in MultiheadAttention.
  Tensor operator()(const Tensor& x, const Tensor& mask = {},
                    std::source_location loc = std::source_location::current());

 private:
  bool norm_first_;
  Activation::Function activation_;
  std::shared_ptr<MultiheadAttention> self_attn_;
  std::shared_ptr<Linear> linear1_, linear2_;
  std::shared_ptr<LayerNorm> norm1_, norm2_;
  std::shared_ptr<Dropout> dropout_, dropout1_, dropout2_;
};

/// Encoder layers one after another, named layers.0, layers.1, ...
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(int64_t layers, int64_t features, int64_t heads, Generator& rng,
                     TransformerOptions options = {});
  Tensor operator()(const Tensor& x, const Tensor& mask = {},
                    std::source_location loc = std::source_location::current());

 private:
  std::vector<std::shared_ptr<TransformerEncoderLayer>> layers_;
};

namespace utils {

/// Scales the gradients so that the norm of all of them together is at most `max_norm`, and returns
/// what it was. `norm_type` is p of the p-norm, or infinity. The host reads nothing: inside a
/// recorded step the norm is a value like others. Parameters without a gradient do not count.
Tensor clip_grad_norm_(const std::vector<NamedTensor>& parameters, double max_norm,
                       double norm_type = 2,
                       std::source_location loc = std::source_location::current());
/// Limits every element of the gradients to [-limit, limit].
void clip_grad_value_(const std::vector<NamedTensor>& parameters, double limit,
                      std::source_location loc = std::source_location::current());

}  // namespace utils

/// Saves parameters and buffers as safetensors; written whole or not at all.
void save(const Module& m, const std::string& path);
/// Loads them back by name: every name must be there with its shape and dtype.
void load(Module& m, const std::string& path);

}  // namespace etch::nn
