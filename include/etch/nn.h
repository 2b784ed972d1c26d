// Modules: mutable C++ objects with named parameters and buffers.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "etch/random.h"
#include "etch/scope.h"
#include "etch/tree.h"

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

/// Zeroes elements with probability p in training and scales the rest by 1 / (1 - p).
class Dropout : public Layer {
 public:
  Dropout(double p, Generator& rng) : p_(p), rng_(rng) {}

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
  Generator& rng_;
};

/// Saves parameters and buffers as safetensors; written whole or not at all.
void save(const Module& m, const std::string& path);
/// Loads them back by name: every name must be there with its shape and dtype.
void load(Module& m, const std::string& path);

}  // namespace etch::nn
