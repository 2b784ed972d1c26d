#include <algorithm>

#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "runtime/eager.h"
#include "runtime/nn/init.h"

namespace etch::nn {
namespace {

Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = matmul(x, weight.t());
  return bias.defined() ? y + bias : y;
}

/// The next state; gates [N, 4 hidden] in the order i, f, g, o.
LSTMState advance(const Tensor& gates, const Tensor& c) {
  std::vector<Tensor> part = gates.chunk(4, 1);
  Tensor next = sigmoid(part[1]) * c + sigmoid(part[0]) * tanh(part[2]);
  return {sigmoid(part[3]) * tanh(next), next};
}

LSTMState with_axis(const LSTMState& s, int64_t axis) {
  return {s.h.defined() ? s.h.unsqueeze(axis) : s.h, s.c.defined() ? s.c.unsqueeze(axis) : s.c};
}
LSTMState without_axis(const LSTMState& s, int64_t axis) {
  return {s.h.squeeze(axis), s.c.squeeze(axis)};
}

/// UserError unless h and c are both undefined, or both [..., batch, hidden] like `x`.
void require_state(std::string_view module, const LSTMState& state, const Tensor& x, SizeArg batch,
                   int64_t hidden) {
  if (!state.h.defined() && !state.c.defined()) return;
  for (const Tensor* t : {&state.h, &state.c}) {
    if (!t->defined()) refuse(module, "only one of h and c is defined", "Give both, or neither");
    if (t->dim() != x.dim()) {
      refuse(module, cat("expected states of rank ", x.dim(), ", got ", t->shape()));
    }
    require_size(module, *t, -1, hidden);
    require_size(module, *t, -2, batch);
  }
}

}  // namespace

LSTMCell::LSTMCell(int64_t in, int64_t hidden, Generator& rng, bool bias)
    : in_(in), hidden_(hidden) {
  require_sizes("LSTMCell", {in, hidden});
  const double bound = inverse_root(hidden);
  weight_ih = add_parameter("weight_ih", uniform({4 * hidden, in}, bound, rng));
  weight_hh = add_parameter("weight_hh", uniform({4 * hidden, hidden}, bound, rng));
  if (!bias) return;
  bias_ih = add_parameter("bias_ih", uniform({4 * hidden}, bound, rng));
  bias_hh = add_parameter("bias_hh", uniform({4 * hidden}, bound, rng));
}

LSTMState LSTMCell::operator()(const Tensor& x, const LSTMState& state, std::source_location loc) {
  runtime::At at(loc);
  Scope scope(scope_name());
  runtime::KeepLine keep;
  require_size("LSTMCell", x, -1, in_);
  const bool one = x.dim() == 1;
  Tensor rows = one ? x.unsqueeze(0) : x;
  LSTMState before = one ? with_axis(state, 0) : state;
  if (rows.dim() != 2) refuse("LSTMCell", cat("expected [N, ", in_, "], got ", x.shape()));
  require_state("LSTMCell", before, rows, rows.size(0), hidden_);
  if (!before.h.defined()) {
    before.h = before.c = zeros({rows.size(0), hidden_}, x.dtype());
  }
  Tensor gates = affine(rows, weight_ih, bias_ih) + affine(before.h, weight_hh, bias_hh);
  LSTMState next = advance(gates, before.c);
  return one ? without_axis(next, 0) : next;
}

LSTM::LSTM(int64_t in, int64_t hidden, Generator& rng, LSTMOptions options)
    : in_(in), hidden_(hidden), options_(options) {
  require_sizes("LSTM", {in, hidden, options.num_layers});
  const double bound = inverse_root(hidden);
  const int64_t directions = options.bidirectional ? 2 : 1;
  for (int64_t layer = 0; layer < options.num_layers; ++layer) {
    const int64_t width = layer == 0 ? in : hidden * directions;
    for (int64_t d = 0; d < directions; ++d) {
      const std::string end = cat("_l", layer, d == 1 ? "_reverse" : "");
      Weights w;
      w.ih = add_parameter("weight_ih" + end, uniform({4 * hidden, width}, bound, rng));
      w.hh = add_parameter("weight_hh" + end, uniform({4 * hidden, hidden}, bound, rng));
      if (options.bias) {
        w.bias_ih = add_parameter("bias_ih" + end, uniform({4 * hidden}, bound, rng));
        w.bias_hh = add_parameter("bias_hh" + end, uniform({4 * hidden}, bound, rng));
      }
      weights_.push_back(std::move(w));
    }
  }
  dropout_ = add_module("dropout", std::make_shared<Dropout>(options.dropout, rng));
}

LSTMState LSTM::run(const Tensor& x, int64_t steps, const Weights& w, LSTMState state, bool reverse,
                    std::vector<Tensor>& outputs) const {
  // The products with x do not wait for one another: one for all steps.
  Tensor all = affine(x, w.ih, w.bias_ih);
  outputs.resize(static_cast<size_t>(steps));
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = reverse ? steps - 1 - i : i;
    state = advance(all.select(0, t) + affine(state.h, w.hh, w.bias_hh), state.c);
    outputs[static_cast<size_t>(t)] = state.h;
  }
  return state;
}

/// x [T, N, in].
LSTMResult LSTM::layers(const Tensor& x, const LSTMState& state) {
  const auto passes = static_cast<int64_t>(weights_.size());
  const auto steps = static_cast<int64_t>(x.size(0));
  if (steps == 0) refuse("LSTM", cat("expected at least one step, got ", x.shape()));
  require_state("LSTM", state, x, x.size(1), hidden_);
  Tensor zero;
  if (state.h.defined()) {
    require_size("LSTM", state.h, 0, passes);
    require_size("LSTM", state.c, 0, passes);
  } else {
    zero = zeros({x.size(1), hidden_}, x.dtype());
  }
  const int64_t directions = options_.bidirectional ? 2 : 1;
  Tensor y = x;
  std::vector<Tensor> h, c;
  for (int64_t layer = 0; layer < options_.num_layers; ++layer) {
    if (layer > 0) y = (*dropout_)(y);
    std::vector<Tensor> outputs[2];
    for (int64_t d = 0; d < directions; ++d) {
      const int64_t pass = layer * directions + d;
      LSTMState start{zero, zero};
      if (!zero.defined()) start = {state.h.select(0, pass), state.c.select(0, pass)};
      LSTMState end =
          run(y, steps, weights_[static_cast<size_t>(pass)], std::move(start), d == 1, outputs[d]);
      h.push_back(end.h.unsqueeze(0));
      c.push_back(end.c.unsqueeze(0));
    }
    for (size_t t = 0; t < outputs[0].size(); ++t) {
      Tensor& row = outputs[0][t];
      if (directions == 2) row = concat({row, outputs[1][t]}, 1);
      row = row.unsqueeze(0);
    }
    y = concat(outputs[0], 0);
  }
  return {y, {concat(h, 0), concat(c, 0)}};
}

LSTMResult LSTM::operator()(const Tensor& x, const LSTMState& state, std::source_location loc) {
  runtime::At at(loc);
  Scope scope(scope_name());
  runtime::KeepLine keep;
  require_size("LSTM", x, -1, in_);
  if (x.dim() == 2) {
    LSTMResult r = layers(x.unsqueeze(1), with_axis(state, 1));
    return {r.output.squeeze(1), without_axis(r.state, 1)};
  }
  if (x.dim() != 3) refuse("LSTM", cat("expected [T, N, ", in_, "], got ", x.shape()));
  if (!options_.batch_first) return layers(x, state);
  LSTMResult r = layers(x.transpose(0, 1), state);
  r.output = r.output.transpose(0, 1);
  return r;
}

}  // namespace etch::nn
