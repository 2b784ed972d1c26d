// What modules have in common: how fresh parameters are drawn, and what is refused.
#pragma once

#include <cmath>

#include "etch/autograd.h"
#include "etch/nn.h"

namespace etch::nn {

/// Uniform in +-bound.
inline Tensor uniform(SizeArgs sizes, double bound, Generator& rng) {
  NoGrad no_grad;
  return (rand(sizes, rng) * 2 - 1) * bound;
}

/// 1 / sqrt(n), the bound of most layers.
inline double inverse_root(int64_t n) { return 1 / std::sqrt(static_cast<double>(n)); }

/// UserError at the user's line.
[[noreturn]] void refuse(std::string_view module, const std::string& what,
                         std::string_view hint = "");

/// UserError unless every size is at least 1.
void require_sizes(std::string_view module, std::initializer_list<int64_t> sizes);

/// UserError when axis `axis` of `x` is known not to have `size` elements.
void require_size(std::string_view module, const Tensor& x, int64_t axis, SizeArg size);

}  // namespace etch::nn
