#include "etch/optim.h"

#include "etch/autograd.h"
#include "etch/ops.h"
#include "runtime/eager.h"

namespace etch::optim {

Optimizer::Optimizer(std::vector<NamedTensor> parameters, double lr)
    : parameters_(std::move(parameters)) {
  lr_ = add_state("lr", scalar_tensor(lr, DType::F32));
}

void Optimizer::set_lr(const Tensor& rate, std::source_location loc) {
  runtime::At at(loc);
  runtime::KeepLine keep;
  NoGrad no_grad;
  lr_.copy_(rate.to(DType::F32));
}

void Optimizer::set_lr(double rate, std::source_location loc) {
  set_lr(scalar_tensor(rate, DType::F32), loc);
}

void Optimizer::step(std::source_location loc) {
  runtime::At at(loc);
  runtime::KeepLine keep;
  NoGrad no_grad;
  Scope scope("optimizer");
  begin_step();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor g = parameters_[i].tensor.grad();
    if (g.defined()) update(i, parameters_[i].tensor, g);
  }
}

void Optimizer::zero_grad() {
  for (NamedTensor& p : parameters_) p.tensor.set_grad({});
}

Tensor Optimizer::add_state(std::string name, Tensor t) {
  state_.push_back({"optimizer." + name, t});
  return t;
}

SGD::SGD(std::vector<NamedTensor> parameters, double lr, double momentum, double weight_decay,
         bool nesterov)
    : Optimizer(std::move(parameters), lr),
      momentum_(momentum),
      decay_(weight_decay),
      nesterov_(nesterov) {
  for (const NamedTensor& p : parameters_) {
    if (momentum == 0) break;
    velocity_.push_back(
        add_state(p.name + ".velocity", zeros(p.tensor.sizes(), p.tensor.dtype()).clone()));
  }
}

void SGD::update(size_t i, Tensor& parameter, const Tensor& grad) {
  Tensor lr = lr_.to(parameter.dtype());
  Tensor g = decay_ == 0 ? grad : grad + parameter * decay_;
  if (momentum_ != 0) {
    velocity_[i].copy_(velocity_[i] * momentum_ + g);
    g = nesterov_ ? g + velocity_[i] * momentum_ : velocity_[i];
  }
  parameter.sub_(lr * g);
}

Adam::Adam(std::vector<NamedTensor> parameters, double lr, double beta1, double beta2, double eps,
           double weight_decay)
    : Optimizer(std::move(parameters), lr),
      decay_(weight_decay),
      beta1_(beta1),
      beta2_(beta2),
      eps_(eps) {
  // The running powers of beta: step counts would need pow inside the step.
  scale1_ = add_state("beta1_power", scalar_tensor(1, DType::F64));
  scale2_ = add_state("beta2_power", scalar_tensor(1, DType::F64));
  for (const NamedTensor& p : parameters_) {
    auto fresh = [&] { return zeros(p.tensor.sizes(), p.tensor.dtype()).clone(); };
    first_.push_back(add_state(p.name + ".exp_avg", fresh()));
    second_.push_back(add_state(p.name + ".exp_avg_sq", fresh()));
  }
}

void Adam::begin_step() {
  scale1_.copy_(scale1_ * beta1_);
  scale2_.copy_(scale2_ * beta2_);
}

void Adam::update(size_t i, Tensor& parameter, const Tensor& grad) {
  DType t = parameter.dtype();
  Tensor& m = first_[i];
  Tensor& v = second_[i];
  Tensor g = decay_ == 0 ? grad : grad + parameter * decay_;
  m.copy_(m * beta1_ + g * (1 - beta1_));
  v.copy_(v * beta2_ + g * g * (1 - beta2_));
  Tensor size = (lr_.to(DType::F64) / (1.0 - scale1_)).to(t);
  Tensor root = sqrt(v * (1.0 / (1.0 - scale2_)).to(t)) + eps_;
  parameter.sub_(size * (m / root));
}

AdamW::AdamW(std::vector<NamedTensor> parameters, double lr, double beta1, double beta2, double eps,
             double weight_decay)
    : Adam(std::move(parameters), lr, beta1, beta2, eps), decoupled_(weight_decay) {}

void AdamW::update(size_t i, Tensor& parameter, const Tensor& grad) {
  if (decoupled_ != 0) parameter.sub_(parameter * (lr_.to(parameter.dtype()) * decoupled_));
  Adam::update(i, parameter, grad);
}

}  // namespace etch::optim
