#include "ir/ops/nn.h"

namespace etch::ir {

void CrossEntropy::infer(const Infer& c, Types& out) {
  const TensorType &x = c.in[0], &t = c.in[1];
  if (x.rank() != 2 || t.rank() != 1 || !is_int(t.dtype)) {
    c.fail(cat("expected logits [N, C] and integer targets [N], got ", x, " and ", t));
  }
  unify(c, x.shape[0], t.shape[0], "numbers of rows");
  out.push_back({x.dtype, {}});
}

Vars CrossEntropy::body(const Call& c) {
  Var picked = op<Gather>({1}, op<LogSoftmax>({1}, c.in(0)), op<Unsqueeze>({{1}}, c.in(1)));
  return {-op<Mean>({}, picked)};
}

Vars LayerNorm::body(const Call& c) {
  const auto& a = c.as<Attrs>();
  Axes axes;
  for (int64_t i = a.axes; i > 0; --i) axes.push_back(-i);
  Var x = c.in(0);
  Var d = x - op<Mean>({axes, true}, x);
  Var scale = op<Rsqrt>(op<Mean>({axes, true}, d * d) + a.eps);
  return {d * scale * c.in(1) + c.in(2)};
}

Vars BatchNorm::body(const Call& c) {
  Var x = c.in(0);
  Axes trailing;
  for (int i = 2; i < x.rank(); ++i) trailing.push_back(i - 1);
  auto per_channel = [&](const Var& v) {
    return trailing.empty() ? v : op<Unsqueeze>({trailing}, v);
  };
  Var scale = c.in(3) * op<Rsqrt>(c.in(2) + c.as<Attrs>().eps);
  return {(x - per_channel(c.in(1))) * per_channel(scale) + per_channel(c.in(4))};
}

}  // namespace etch::ir
