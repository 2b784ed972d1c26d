// Gradients on tensors.
#pragma once

#include <functional>

#include "etch/tensor.h"

namespace etch {

/// While alive, operators of this thread record nothing for gradients.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};
/// While alive, operators of this thread do record, also inside NoGrad.
class EnableGrad {
 public:
  EnableGrad();
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool before_;
};
bool grad_enabled();

/// The gradients of sum(outputs * gradients) in `inputs`; an input that does not matter gives an
/// undefined Tensor. `create_graph` makes them differentiable again.
std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> gradients = {}, bool create_graph = false);
Tensor grad(const Tensor& output, const Tensor& input, bool create_graph = false);

/// forward with a gradient of one's own: `backward` gets the forward's inputs, its output and the
/// output's gradient, and returns one gradient per input (undefined where there is none).
using VjpFn = std::function<std::vector<Tensor>(std::span<const Tensor> inputs,
                                                const Tensor& output, const Tensor& gradient)>;
std::function<Tensor(std::span<const Tensor>)> custom_vjp(
    std::function<Tensor(std::span<const Tensor>)> forward, VjpFn backward);

}  // namespace etch
