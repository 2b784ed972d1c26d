// Optimizers. Their state is tensors, so a training step traces like any other function.
#pragma once

#include "etch/nn.h"

namespace etch::optim {

/// Updates parameters from their grad().
class Optimizer {
 public:
  explicit Optimizer(std::vector<NamedTensor> parameters);
  virtual ~Optimizer() = default;
  /// One update; parameters without a gradient stay as they are.
  void step(std::source_location loc = std::source_location::current());
  /// Forgets all gradients.
  void zero_grad();
  /// The optimizer's own tensors by name, for tracing and saving.
  const std::vector<NamedTensor>& state() const { return state_; }

 protected:
  virtual void begin_step() {}
  virtual void update(size_t i, Tensor& parameter, const Tensor& grad) = 0;
  Tensor add_state(std::string name, Tensor t);
  std::vector<NamedTensor> parameters_;

 private:
  std::vector<NamedTensor> state_;
};

/// p -= lr * v with v = momentum * v + grad (v = grad when momentum is 0).
class SGD : public Optimizer {
 public:
  SGD(std::vector<NamedTensor> parameters, double lr, double momentum = 0);

 protected:
  void update(size_t i, Tensor& parameter, const Tensor& grad) override;

 private:
  Tensor lr_;
  double momentum_;
  std::vector<Tensor> velocity_;
};

/// Adam (Kingma and Ba, 2015), bias-corrected, with optional decoupled weight decay.
class Adam : public Optimizer {
 public:
  Adam(std::vector<NamedTensor> parameters, double lr = 1e-3, double beta1 = 0.9,
       double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0);

 protected:
  void begin_step() override;
  void update(size_t i, Tensor& parameter, const Tensor& grad) override;

 private:
  double beta1_, beta2_, eps_, decay_;
  Tensor lr_, scale1_, scale2_;
  std::vector<Tensor> first_, second_;
};

}  // namespace etch::optim
