#include <cmath>

#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "runtime/eager.h"

namespace etch::nn {

Conv2d::Conv2d(int64_t in, int64_t out, int64_t kernel, Generator& rng, Conv2dOptions options)
    : options_(options) {
  NoGrad no_grad;
  int64_t fan_in = in / options.groups * kernel * kernel;
  double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  auto uniform = [&](SizeArgs sizes) { return (rand(sizes, rng) * 2 - 1) * bound; };
  weight = add_parameter("weight", uniform({out, in / options.groups, kernel, kernel}));
  if (options.bias) bias = add_parameter("bias", uniform({out}));
}

Tensor Conv2d::forward(const Tensor& x) {
  runtime::KeepLine keep;
  const auto& o = options_;
  Tensor y =
      conv2d(x, weight, Axes{o.stride, o.stride}, Axes{o.padding, o.padding, o.padding, o.padding},
             Axes{o.dilation, o.dilation}, o.groups);
  return bias.defined() ? y + bias.reshape({bias.sizes()[0], 1, 1}) : y;
}

BatchNorm2d::BatchNorm2d(int64_t channels, double eps, double momentum)
    : eps_(eps), momentum_(momentum) {
  weight = add_parameter("weight", ones({channels}));
  bias = add_parameter("bias", zeros({channels}));
  running_mean = add_buffer("running_mean", zeros({channels}));
  running_var = add_buffer("running_var", ones({channels}));
}

Tensor BatchNorm2d::forward(const Tensor& x) {
  runtime::KeepLine keep;
  if (!training()) return batch_norm(x, running_mean, running_var, weight, bias, eps_);
  const Axes over = {0, 2, 3};
  Tensor m = mean(x, over), v = var(x, over);
  {
    NoGrad no_grad;
    Shape s = x.shape();
    Dim count = s[0] * s[2] * s[3];
    // n / (n - 1), kept symbolic when the batch is.
    Tensor n = dim_tensor(count, x.dtype());
    Tensor unbiased = v.detach() * (n / maximum(n - 1, ones({}, x.dtype())));
    running_mean.copy_(running_mean * (1 - momentum_) + m.detach() * momentum_);
    running_var.copy_(running_var * (1 - momentum_) + unbiased * momentum_);
  }
  return batch_norm(x, m, v, weight, bias, eps_);
}

Tensor MaxPool2d::forward(const Tensor& x) {
  runtime::KeepLine keep;
  return max_pool2d(x, Axes{kernel_, kernel_}, Axes{stride_, stride_},
                    Axes{padding_, padding_, padding_, padding_});
}

Tensor Dropout::forward(const Tensor& x) {
  runtime::KeepLine keep;
  if (!training() || p_ == 0) return x;
  Tensor kept = rand(x.shape(), rng_, x.dtype()) >= Scalar(p_);
  return where(kept, x * (1 / (1 - p_)), zeros({}, x.dtype()));
}

}  // namespace etch::nn
