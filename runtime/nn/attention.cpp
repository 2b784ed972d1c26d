#include <cmath>
#include <limits>

#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "runtime/eager.h"
#include "runtime/nn/init.h"

namespace etch::nn {

Tensor causal_mask(SizeArg length, std::source_location loc) {
  runtime::At at(loc);
  runtime::KeepLine keep;
  Tensor position = arange(length);
  return position.unsqueeze(0) > position.unsqueeze(1);
}

MultiheadAttention::MultiheadAttention(int64_t features, int64_t heads, Generator& rng,
                                       AttentionOptions options)
    : features_(features), heads_(heads), batch_first_(options.batch_first) {
  require_sizes("MultiheadAttention", {features, heads});
  if (features % heads != 0) {
    refuse("MultiheadAttention", cat(features, " features do not divide into ", heads, " heads"));
  }
  const double bound = std::sqrt(6 / static_cast<double>(4 * features));
  in_proj_weight = add_parameter("in_proj_weight", uniform({3 * features, features}, bound, rng));
  if (options.bias) in_proj_bias = add_parameter("in_proj_bias", zeros({3 * features}).clone());
  out_proj_ =
      add_module("out_proj", std::make_shared<Linear>(features, features, rng, options.bias));
  NoGrad no_grad;
  if (options.bias) out_proj_->bias.zero_();
  dropout_ = add_module("dropout", std::make_shared<Dropout>(options.dropout, rng));
}

/// [N, L, E] -> part 0, 1 or 2 of the projections as [N, heads, L, E / heads].
Tensor MultiheadAttention::project(const Tensor& x, int64_t part) const {
  const int64_t from = part * features_, to = from + features_;
  Tensor y = matmul(x, in_proj_weight.slice(0, from, to).t());
  if (in_proj_bias.defined()) y = y + in_proj_bias.slice(0, from, to);
  return y.reshape({x.size(0), x.size(1), heads_, features_ / heads_}).transpose(1, 2);
}

/// Operands [N, L, E] and [N, S, E].
Tensor MultiheadAttention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                  const Tensor& mask) {
  Tensor q = project(query, 0) * inverse_root(features_ / heads_);
  Tensor k = project(key, 1), v = project(value, 2);
  Tensor scores = matmul(q, k.t());
  if (mask.defined() && mask.dtype() == DType::Bool) {
    const double never = -std::numeric_limits<double>::infinity();
    scores = where(mask, full({}, never, scores.dtype()), scores);
  } else if (mask.defined()) {
    scores = scores + mask;
  }
  Tensor seen = matmul((*dropout_)(softmax(scores, -1)), v);
  return (*out_proj_)(seen.transpose(1, 2).reshape({query.size(0), query.size(1), features_}));
}

Tensor MultiheadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                      const Tensor& mask, std::source_location loc) {
  runtime::At at(loc);
  Scope scope(scope_name());
  runtime::KeepLine keep;
  for (const Tensor* t : {&query, &key, &value}) {
    require_size("MultiheadAttention", *t, -1, features_);
    if (t->dim() != query.dim() || t->dim() < 2 || t->dim() > 3) {
      refuse("MultiheadAttention",
             cat("expected query, key and value [L, N, ", features_, "], got ", t->shape()));
    }
  }
  if (query.dim() == 2) {
    return attend(query.unsqueeze(0), key.unsqueeze(0), value.unsqueeze(0), mask).squeeze(0);
  }
  if (batch_first_) return attend(query, key, value, mask);
  return attend(query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), mask)
      .transpose(0, 1);
}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t features, int64_t heads, Generator& rng,
                                                 TransformerOptions options)
    : norm_first_(options.norm_first), activation_(options.activation) {
  require_sizes("TransformerEncoderLayer", {features, heads, options.feedforward});
  self_attn_ = add_module("self_attn", std::make_shared<MultiheadAttention>(
                                           features, heads, rng,
                                           AttentionOptions{.dropout = options.dropout,
                                                            .batch_first = options.batch_first}));
  linear1_ = add_module("linear1", std::make_shared<Linear>(features, options.feedforward, rng));
  dropout_ = add_module("dropout", std::make_shared<Dropout>(options.dropout, rng));
  linear2_ = add_module("linear2", std::make_shared<Linear>(options.feedforward, features, rng));
  norm1_ = add_module("norm1", std::make_shared<LayerNorm>(features, options.eps));
  norm2_ = add_module("norm2", std::make_shared<LayerNorm>(features, options.eps));
  dropout1_ = add_module("dropout1", std::make_shared<Dropout>(options.dropout, rng));
  dropout2_ = add_module("dropout2", std::make_shared<Dropout>(options.dropout, rng));
}

Tensor TransformerEncoderLayer::operator()(const Tensor& x, const Tensor& mask,
                                           std::source_location loc) {
  runtime::At at(loc);
  Scope scope(scope_name());
  runtime::KeepLine keep;
  auto attention = [&](const Tensor& t) { return (*dropout1_)((*self_attn_)(t, mask)); };
  auto feedforward = [&](const Tensor& t) {
    Tensor inner = activation_((*linear1_)(t), std::source_location::current());
    return (*dropout2_)((*linear2_)((*dropout_)(inner)));
  };
  if (norm_first_) {
    Tensor y = x + attention((*norm1_)(x));
    return y + feedforward((*norm2_)(y));
  }
  Tensor y = (*norm1_)(x + attention(x));
  return (*norm2_)(y + feedforward(y));
}

TransformerEncoder::TransformerEncoder(int64_t layers, int64_t features, int64_t heads,
                                       Generator& rng, TransformerOptions options) {
  for (int64_t i = 0; i < layers; ++i) {
    layers_.push_back(add_module(cat("layers.", i), std::make_shared<TransformerEncoderLayer>(
                                                        features, heads, rng, options)));
  }
}

Tensor TransformerEncoder::operator()(const Tensor& x, const Tensor& mask,
                                      std::source_location loc) {
  runtime::At at(loc);
  Scope scope(scope_name());
  runtime::KeepLine keep;
  Tensor y = x;
  for (const auto& layer : layers_) y = (*layer)(y, mask);
  return y;
}

}  // namespace etch::nn
