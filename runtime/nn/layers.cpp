#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "runtime/eager.h"
#include "runtime/nn/init.h"

namespace etch::nn {

void refuse(std::string_view module, const std::string& what, std::string_view hint) {
  fail(module, what, hint, current_loc());
}

void require_sizes(std::string_view module, std::initializer_list<int64_t> sizes) {
  for (int64_t n : sizes) {
    if (n < 1) fail(module, cat("a size has to be at least 1, got ", n));
  }
}

void require_size(std::string_view module, const Tensor& x, int64_t axis, SizeArg size) {
  if (!x.defined()) refuse(module, "the tensor is undefined");
  runtime::checked_axis(x, axis, module);
  if (dim_equal(x.size(axis), size.dim) == Truth::No) {
    refuse(module, cat("expected size ", size.dim, " at axis ", axis, ", got ", x.shape()));
  }
}

Linear::Linear(int64_t in, int64_t out, Generator& rng, bool with_bias) {
  weight = add_parameter("weight", uniform({out, in}, inverse_root(in), rng));
  if (with_bias) bias = add_parameter("bias", uniform({out}, inverse_root(in), rng));
}

Tensor Linear::forward(const Tensor& x) {
  runtime::KeepLine keep;
  Tensor y = matmul(x, weight.t());
  return bias.defined() ? y + bias : y;
}

Conv2d::Conv2d(int64_t in, int64_t out, int64_t kernel, Generator& rng, Conv2dOptions options)
    : options_(options) {
  const double bound = inverse_root(in / options.groups * kernel * kernel);
  weight = add_parameter("weight", uniform({out, in / options.groups, kernel, kernel}, bound, rng));
  if (options.bias) bias = add_parameter("bias", uniform({out}, bound, rng));
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

Dropout::Dropout(double p, Generator& rng) : p_(p), rng_(rng) {
  if (!(p >= 0 && p <= 1)) fail("Dropout", cat("p has to be in [0, 1], got ", p));
}

Tensor Dropout::forward(const Tensor& x) {
  runtime::KeepLine keep;
  if (!training() || p_ == 0) return x;
  Tensor kept = rand(x.shape(), rng_, x.dtype()) >= Scalar(p_);
  // With p of 1 nothing is kept, and the scale is not to make 0 * inf of it.
  const double scale = p_ == 1 ? 0 : 1 / (1 - p_);
  return where(kept, x * scale, zeros({}, x.dtype()));
}

LayerNorm::LayerNorm(const std::vector<int64_t>& shape, double eps) : shape_(shape), eps_(eps) {
  if (shape.empty()) fail("LayerNorm", "expected the sizes of at least one axis");
  weight = add_parameter("weight", ones(shape));
  bias = add_parameter("bias", zeros(shape));
}

Tensor LayerNorm::forward(const Tensor& x) {
  runtime::KeepLine keep;
  const auto count = static_cast<int64_t>(shape_.size());
  for (int64_t i = 1; i <= count; ++i) {
    require_size("LayerNorm", x, -i, shape_[static_cast<size_t>(count - i)]);
  }
  return layer_norm(x, weight, bias, count, eps_);
}

Embedding::Embedding(int64_t count, int64_t features, Generator& rng) {
  require_sizes("Embedding", {count, features});
  weight = add_parameter("weight", randn({count, features}, rng));
}

Tensor Embedding::forward(const Tensor& ids) {
  runtime::KeepLine keep;
  return index_select(weight, ids);
}

}  // namespace etch::nn
