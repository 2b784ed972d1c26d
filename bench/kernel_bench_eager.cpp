// Eager operators: what one small operator costs, and how fast large ones are.
#include <memory>

#include "bench/kernel_bench.h"
#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/random.h"
#include "ir/support/text.h"

namespace etch::bench {

namespace {

using torch_peer::Op;
using torch_peer::Small;

Tensor small_once(Small op, const Tensor& a, const Tensor& b, int64_t n) {
  switch (op) {
    case Small::Add:
      return a + b;
    case Small::Mul:
      return a * b;
    case Small::Tanh:
      return tanh(a);
    case Small::Matmul:
      return matmul(a, b);
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

Run own_small(Small op, int64_t n, int count, bool gradient) {
  Generator rng(1);
  const SizeList sizes = op == Small::Matmul ? SizeList{n, n} : SizeList{n};
  Tensor a = rand(sizes, rng), b = rand(sizes, rng);
  if (gradient) a.requires_grad_();
  return [=]() mutable {
    std::unique_ptr<NoGrad> no_grad;
    if (!gradient) no_grad = std::make_unique<NoGrad>();
    if (op == Small::AddInPlace) {
      for (int i = 0; i < count; ++i) a.add_(b);
    } else if (op == Small::AddChain) {
      Tensor x = a;
      for (int i = 0; i < count; ++i) x = x + b;
      if (gradient) sum(x).backward();
    } else {
      for (int i = 0; i < count; ++i) small_once(op, a, b, n);
    }
  };
}

struct EagerOp {
  const char* name;
  Op op;
  Tensor (*run)(const Tensor& x, const Tensor& y, const Tensor& w, const Tensor& b);
};
using T = const Tensor&;
constexpr EagerOp kEagerOps[] = {
    {"add", Op::Add, [](T x, T y, T, T) { return x + y; }},
    {"mul", Op::Mul, [](T x, T y, T, T) { return x * y; }},
    {"exp", Op::Exp, [](T x, T, T, T) { return exp(x); }},
    {"gelu", Op::Gelu, [](T x, T, T, T) { return gelu(x); }},
    {"sum over rows", Op::SumRows, [](T x, T, T, T) { return sum(x, Axes{1}); }},
    {"softmax", Op::Softmax, [](T x, T, T, T) { return softmax(x, 1); }},
    {"layer_norm", Op::LayerNorm, [](T x, T, T w, T b) { return layer_norm(x, w, b); }},
};

void measure_eager_op(Session& session, const EagerOp& op, const Level& level) {
  constexpr int64_t kCols = 1024;
  const Data data(level.numel / kCols, kCols);
  NoGrad no_grad;
  const auto own = [&] { return op.run(data.x, data.y, data.w, data.b); };
  const torch_peer::Computation peer = torch_peer::op(op.op, data.operands());
  peer.run();
  require_same(op.name, own().to_vector<float>(), peer.result(), 1e-5);
  Case c;
  c.group = "eager kernel", c.name = op.name, c.size = level.name;
  c.own = own;
  c.peers = {{"libtorch", 1.0, peer.run}};
  session.measure(c);
}

}  // namespace

void measure_small_ops(Session& session) {
  struct Row {
    const char* name;
    Small op;
    int64_t n;
    bool gradient;
    double goal;
  };
  constexpr Row kRows[] = {
      {"a + b", Small::Add, 16, false, 0.6},
      {"a + b", Small::Add, 16, true, 0.5},
      {"a + b", Small::Add, 1, false, 0},
      {"a + b", Small::Add, 1024, false, 0},
      {"a * b", Small::Mul, 16, false, 0},
      {"a * b", Small::Mul, 16, true, 0},
      {"tanh(a)", Small::Tanh, 16, false, 0},
      {"a.add_(b)", Small::AddInPlace, 16, false, 0},
      {"matrix product", Small::Matmul, 8, false, 0},
      {"matrix product", Small::Matmul, 8, true, 0},
      {"a.view()", Small::Reshape, 16, false, 0},
      {"a.slice()", Small::Slice, 16, false, 0},
      {"chain of 1000 a + b", Small::AddChain, 16, false, 0},
      {"chain of 1000 a + b and backward", Small::AddChain, 16, true, 0},
  };
  constexpr int kCount = 1000;
  for (const Row& row : kRows) {
    Case c;
    c.group = row.gradient ? "small operator, recorded" : "small operator";
    c.name = row.name;
    c.size = row.op == Small::Matmul ? cat(row.n, " x ", row.n) : cat(row.n, " elements");
    if (!session.wants(c.group, c.name, c.size)) continue;
    c.count = kCount;
    c.own = own_small(row.op, row.n, kCount, row.gradient);
    c.peers = {{"libtorch", row.goal, torch_peer::small(row.op, row.n, kCount, row.gradient)}};
    session.measure(c);
  }
}

void measure_eager_kernels(Session& session) {
  for (const EagerOp& op : kEagerOps) {
    for (const Level& level : kLevels) {
      if (session.wants("eager kernel", op.name, level.name)) measure_eager_op(session, op, level);
    }
  }
}

}  // namespace etch::bench
