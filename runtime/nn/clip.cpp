#include <cmath>

#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "runtime/eager.h"
#include "runtime/nn/init.h"

namespace etch::nn::utils {
namespace {

/// Of all gradients together, in the widest of their types; 0 when there is none.
Tensor total_norm(const std::vector<NamedTensor>& parameters, double norm_type) {
  const bool largest = std::isinf(norm_type);
  Tensor total = zeros({});
  for (const NamedTensor& p : parameters) {
    Tensor g = p.tensor.grad();
    if (!g.defined()) continue;
    if (largest) {
      total = maximum(total, amax(abs(g)));
    } else if (norm_type == 2) {
      total = total + sum(square(g));
    } else {
      total = total + sum(pow(abs(g), full({}, norm_type, g.dtype())));
    }
  }
  if (largest) return total;
  return norm_type == 2 ? sqrt(total) : pow(total, full({}, 1 / norm_type, total.dtype()));
}

}  // namespace

Tensor clip_grad_norm_(const std::vector<NamedTensor>& parameters, double max_norm,
                       double norm_type, std::source_location loc) {
  runtime::At at(loc);
  runtime::KeepLine keep;
  NoGrad no_grad;
  if (!(max_norm >= 0)) refuse("clip_grad_norm_", cat("max_norm is at least 0, got ", max_norm));
  if (!(norm_type > 0)) refuse("clip_grad_norm_", cat("norm_type is above 0, got ", norm_type));
  Tensor norm = total_norm(parameters, norm_type);
  Tensor scale = minimum(max_norm / (norm + 1e-6), ones({}, norm.dtype()));
  for (const NamedTensor& p : parameters) {
    // Two gradients may be one tensor, so none is written in place.
    Tensor parameter = p.tensor, g = parameter.grad();
    if (g.defined()) parameter.set_grad(g * scale.to(g.dtype()));
  }
  return norm;
}

void clip_grad_value_(const std::vector<NamedTensor>& parameters, double limit,
                      std::source_location loc) {
  runtime::At at(loc);
  runtime::KeepLine keep;
  NoGrad no_grad;
  if (!(limit >= 0)) refuse("clip_grad_value_", cat("the limit is at least 0, got ", limit));
  for (const NamedTensor& p : parameters) {
    Tensor parameter = p.tensor, g = parameter.grad();
    if (g.defined()) parameter.set_grad(clamp(g, -limit, limit));
  }
}

}  // namespace etch::nn::utils
