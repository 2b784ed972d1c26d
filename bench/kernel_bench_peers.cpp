#include "bench/kernel_bench.h"

#include <torch/torch.h>

namespace etch::bench::torch_peer {

namespace {

using at::Tensor;

Tensor copy_of(const float* p, std::vector<int64_t> sizes) {
  return torch::from_blob(const_cast<float*>(p), sizes, torch::kFloat32).clone();
}

struct Tensors {
  Tensor x, y, m, w, b, p, first, second, out;
  explicit Tensors(const Operands& o) {
    const auto matrix = [&](const float* p) {
      return p == nullptr ? Tensor() : copy_of(p, {o.rows, o.cols});
    };
    const auto row = [&](const float* p) { return p == nullptr ? Tensor() : copy_of(p, {o.cols}); };
    x = matrix(o.x), y = matrix(o.y), m = matrix(o.m), w = row(o.w), b = row(o.b);
    p = matrix(o.p), first = matrix(o.first), second = matrix(o.second);
  }
};

std::vector<float> values(const Tensor& t) {
  const Tensor c = t.contiguous();
  const float* p = c.data_ptr<float>();
  return {p, p + c.numel()};
}

/// f under InferenceMode, which the tensors were made in as well.
template <class F>
Computation computation(const Operands& o, F f) {
  c10::InferenceMode guard;
  auto t = std::make_shared<Tensors>(o);
  return {[t, f] {
            c10::InferenceMode inside;
            t->out = f(*t);
          },
          [t] { return values(t->out); }};
}

Tensor adam(Tensors& t) {
  t.first.mul_(0.9).add_(t.x, 0.1);
  t.second.mul_(0.999).addcmul_(t.x, t.x, 0.001);
  t.p.addcdiv_(t.first, (t.second.sqrt() / 0.9).add_(1e-8), -1e-3);
  return t.p;
}

Tensor small_once(Small op, const Tensor& a, const Tensor& b, int64_t n) {
  switch (op) {
    case Small::Add:
      return a + b;
    case Small::Mul:
      return a * b;
    case Small::Tanh:
      return torch::tanh(a);
    case Small::Matmul:
      return torch::mm(a, b);
    case Small::Reshape:
      return a.view({n / 4, 4});
    case Small::Slice:
      return a.slice(0, 0, n / 2);
    case Small::AddInPlace:
    case Small::AddChain:
      break;
  }
  return {};
}

}  // namespace

std::string version() { return TORCH_VERSION; }

Computation graph(Graph graph, const Operands& o) {
  switch (graph) {
    case Graph::Gelu:
      return computation(o, [](Tensors& t) { return torch::gelu(t.x * t.w + t.b); });
    case Graph::Swiglu:
      return computation(o, [](Tensors& t) { return torch::silu(t.x) * t.y; });
    case Graph::Mask:
      return computation(o, [](Tensors& t) { return torch::relu(t.x + t.b) * t.m * (1 / 0.9); });
    case Graph::Pointwise8:
      return computation(o, [](Tensors& t) {
        return torch::tanh(torch::sigmoid(t.x) * t.y + torch::exp(t.x * t.x * -1)) * t.w;
      });
    case Graph::Adam:
      return computation(o, [](Tensors& t) { return adam(t); });
    case Graph::LayerNorm:
      return op(Op::LayerNorm, o);
    case Graph::Softmax:
      return op(Op::Softmax, o);
  }
  return {};
}

Computation op(Op op, const Operands& o) {
  switch (op) {
    case Op::Add:
      return computation(o, [](Tensors& t) { return t.x + t.y; });
    case Op::Mul:
      return computation(o, [](Tensors& t) { return t.x * t.y; });
    case Op::Exp:
      return computation(o, [](Tensors& t) { return torch::exp(t.x); });
    case Op::Gelu:
      return computation(o, [](Tensors& t) { return torch::gelu(t.x); });
    case Op::SumRows:
      return computation(o, [](Tensors& t) { return t.x.sum(-1); });
    case Op::Softmax:
      return computation(o, [](Tensors& t) { return torch::softmax(t.x, -1); });
    case Op::LayerNorm:
      return computation(
          o, [](Tensors& t) { return torch::layer_norm(t.x, {t.x.size(1)}, t.w, t.b); });
  }
  return {};
}

Run small(Small op, int64_t n, int count, bool gradient) {
  const c10::InferenceMode guard(!gradient);
  const std::vector<int64_t> sizes =
      op == Small::Matmul ? std::vector<int64_t>{n, n} : std::vector<int64_t>{n};
  Tensor a = torch::rand(sizes, torch::TensorOptions().requires_grad(gradient));
  Tensor b = torch::rand(sizes);
  return [=]() mutable {
    const c10::InferenceMode inside(!gradient);
    if (op == Small::AddInPlace) {
      for (int i = 0; i < count; ++i) a.add_(b);
    } else if (op == Small::AddChain) {
      Tensor x = a;
      for (int i = 0; i < count; ++i) x = x + b;
      if (gradient) x.sum().backward();
    } else {
      for (int i = 0; i < count; ++i) small_once(op, a, b, n);
    }
  };
}

}  // namespace etch::bench::torch_peer
