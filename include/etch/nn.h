// Modules: mutable C++ objects with named parameters and buffers.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "etch/random.h"
#include "etch/scope.h"
#include "etch/tree.h"

namespace etch::nn {

/// Base of everything with parameters. A module registers tensors and children in its constructor; names
/// join to paths ("encoder.0.weight").
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
  bool training() const { return training_; }

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
  bool training_ = true;
};

/// A module from one tensor to one tensor.
class Layer : public Module {
 public:
  Tensor operator()(const Tensor& x,
                    std::source_location loc = std::source_location::current());

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

/// Saves parameters and buffers as safetensors; written whole or not at all.
void save(const Module& m, const std::string& path);
/// Loads them back by name: every name must be there with its shape and dtype.
void load(Module& m, const std::string& path);

}  // namespace etch::nn
