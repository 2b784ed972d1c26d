#include <numbers>

#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/optim.h"
#include "runtime/eager.h"
#include "runtime/nn/init.h"

namespace etch::optim {

LRScheduler::LRScheduler(const Optimizer& optimizer)
    : lr_(optimizer.lr()),
      steps_(scalar_tensor(0, DType::F64)),
      base_(double{optimizer.lr().item<float>()}) {
  state_.push_back({"scheduler.steps", steps_});
}

void LRScheduler::start() {
  NoGrad no_grad;
  lr_.copy_(rate(steps_).to(DType::F32));
}

void LRScheduler::step(std::source_location loc) {
  runtime::At at(loc);
  runtime::KeepLine keep;
  NoGrad no_grad;
  Scope scope("scheduler");
  steps_.add_(ones({}, DType::F64));
  lr_.copy_(rate(steps_).to(DType::F32));
}

StepLR::StepLR(const Optimizer& optimizer, int64_t size, double gamma)
    : LRScheduler(optimizer), size_(size), gamma_(gamma) {
  nn::require_sizes("StepLR", {size});
  start();
}
Tensor StepLR::rate(const Tensor& steps) const {
  return pow(full({}, gamma_, DType::F64), floor(steps / size_)) * base();
}

ExponentialLR::ExponentialLR(const Optimizer& optimizer, double gamma)
    : LRScheduler(optimizer), gamma_(gamma) {
  start();
}
Tensor ExponentialLR::rate(const Tensor& steps) const {
  return pow(full({}, gamma_, DType::F64), steps) * base();
}

LinearLR::LinearLR(const Optimizer& optimizer, double first, double last, int64_t count)
    : LRScheduler(optimizer), first_(first), last_(last), count_(count) {
  nn::require_sizes("LinearLR", {count});
  start();
}
Tensor LinearLR::rate(const Tensor& steps) const {
  Tensor done = minimum(steps, full({}, count_, DType::F64)) / count_;
  return (done * (last_ - first_) + first_) * base();
}

CosineAnnealingLR::CosineAnnealingLR(const Optimizer& optimizer, int64_t count, double low)
    : LRScheduler(optimizer), count_(count), low_(low) {
  nn::require_sizes("CosineAnnealingLR", {count});
  start();
}
Tensor CosineAnnealingLR::rate(const Tensor& steps) const {
  const double turn = std::numbers::pi / static_cast<double>(count_);
  return (cos(steps * turn) + 1) * ((base() - low_) / 2) + low_;
}

LambdaLR::LambdaLR(const Optimizer& optimizer, std::function<Tensor(const Tensor&)> factor)
    : LRScheduler(optimizer), factor_(std::move(factor)) {
  start();
}
Tensor LambdaLR::rate(const Tensor& steps) const { return factor_(steps) * base(); }

}  // namespace etch::optim
