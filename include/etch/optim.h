// Optimizers and learning-rate schedules. Their state is tensors, so a training step traces like
// any other function. In libetch.
#pragma once

#include <functional>

#include "etch/nn.h"

namespace etch::optim {

/// Updates parameters from their grad().
class Optimizer {
 public:
  Optimizer(std::vector<NamedTensor> parameters, double lr);
  virtual ~Optimizer() = default;
  /// One update; parameters without a gradient stay as they are.
  void step(std::source_location loc = std::source_location::current());
  /// Forgets all gradients.
  void zero_grad();
  /// The learning rate: f32[], the first tensor of state(). Compiled steps read it at every call.
  const Tensor& lr() const { return lr_; }
  /// Writes it. Inside a recorded step the rate has to be a tensor, such as
  /// etch::input(rate, "rate").tensor(), or what a schedule computes.
  void set_lr(const Tensor& rate, std::source_location loc = std::source_location::current());
  void set_lr(double rate, std::source_location loc = std::source_location::current());
  /// The optimizer's own tensors by name, for tracing and saving.
  const std::vector<NamedTensor>& state() const { return state_; }

 protected:
  virtual void begin_step() {}
  virtual void update(size_t i, Tensor& parameter, const Tensor& grad) = 0;
  Tensor add_state(std::string name, Tensor t);
  std::vector<NamedTensor> parameters_;
  Tensor lr_;

 private:
  std::vector<NamedTensor> state_;
};

/// p -= lr * v with v = momentum * v + g (v = g when momentum is 0), where g is the gradient plus
/// weight_decay * p. With `nesterov`, g + momentum * v takes the place of v in the update.
class SGD : public Optimizer {
 public:
  SGD(std::vector<NamedTensor> parameters, double lr, double momentum = 0, double weight_decay = 0,
      bool nesterov = false);

 protected:
  void update(size_t i, Tensor& parameter, const Tensor& grad) override;

 private:
  double momentum_, decay_;
  bool nesterov_;
  std::vector<Tensor> velocity_;
};

/// Adam (Kingma and Ba, 2015), bias-corrected. Weight decay is added to the gradient.
class Adam : public Optimizer {
 public:
  Adam(std::vector<NamedTensor> parameters, double lr = 1e-3, double beta1 = 0.9,
       double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0);

 protected:
  void begin_step() override;
  void update(size_t i, Tensor& parameter, const Tensor& grad) override;
  double decay_;

 private:
  double beta1_, beta2_, eps_;
  Tensor scale1_, scale2_;
  std::vector<Tensor> first_, second_;
};

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019): p -= lr * weight_decay * p
/// first.
class AdamW : public Adam {
 public:
  AdamW(std::vector<NamedTensor> parameters, double lr = 1e-3, double beta1 = 0.9,
        double beta2 = 0.999, double eps = 1e-8, double weight_decay = 1e-2);

 protected:
  void update(size_t i, Tensor& parameter, const Tensor& grad) override;

 private:
  double decoupled_;
};

/// Moves an optimizer's learning rate: step() after the optimizer's. The count of steps is a
/// tensor, so a schedule inside a recorded step goes on from call to call. The rate that the
/// optimizer has when the schedule is made is the base.
class LRScheduler {
 public:
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;
  void step(std::source_location loc = std::source_location::current());
  /// The count of steps, for tracing and saving.
  const std::vector<NamedTensor>& state() const { return state_; }

 protected:
  explicit LRScheduler(const Optimizer& optimizer);
  /// The rate after `steps` steps, both f64[].
  virtual Tensor rate(const Tensor& steps) const = 0;
  /// Sets the rate for 0 steps: the last line of a constructor.
  void start();
  double base() const { return base_; }

 private:
  Tensor lr_, steps_;
  double base_;
  std::vector<NamedTensor> state_;
};

/// base * gamma^(steps / size), rounded down.
class StepLR : public LRScheduler {
 public:
  StepLR(const Optimizer& optimizer, int64_t size, double gamma = 0.1);

 protected:
  Tensor rate(const Tensor& steps) const override;

 private:
  int64_t size_;
  double gamma_;
};

/// base * gamma^steps.
class ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(const Optimizer& optimizer, double gamma);

 protected:
  Tensor rate(const Tensor& steps) const override;

 private:
  double gamma_;
};

/// base times what goes straight from `first` to `last` in `count` steps and stays there: warming
/// up.
class LinearLR : public LRScheduler {
 public:
  LinearLR(const Optimizer& optimizer, double first, double last, int64_t count);

 protected:
  Tensor rate(const Tensor& steps) const override;

 private:
  double first_, last_;
  int64_t count_;
};

/// From base down to `low` and up again along a cosine of half period `count` steps (Loshchilov and
/// Hutter, 2017).
class CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(const Optimizer& optimizer, int64_t count, double low = 0);

 protected:
  Tensor rate(const Tensor& steps) const override;

 private:
  int64_t count_;
  double low_;
};

/// base * factor(steps), both f64[].
class LambdaLR : public LRScheduler {
 public:
  LambdaLR(const Optimizer& optimizer, std::function<Tensor(const Tensor&)> factor);

 protected:
  Tensor rate(const Tensor& steps) const override;

 private:
  std::function<Tensor(const Tensor&)> factor_;
};

}  // namespace etch::optim
