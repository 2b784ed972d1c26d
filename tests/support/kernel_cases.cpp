#include "tests/support/kernel_cases.h"

#include <functional>

#include "ir/ops/create.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/math.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/scalar/eval.h"

namespace etch::test {

using namespace etch::ir;

namespace {

struct Builder {
  Graph graph;
  GraphEmitter emitter{graph};
  Var input(Shape shape, DType t = DType::F32) {
    return emitter.var(graph.add_input(cat("x", graph.inputs().size()), {t, std::move(shape)}));
  }
  void result(const Var& v) {
    graph.add_result(GraphEmitter::value(v), cat("y", graph.results().size()));
  }
};

/// Sums over the axes divided by their number, sizes kept as 1.
Var mean(const Var& x, Axes axes) {
  ReduceAttrs a{std::move(axes), true};
  return op<Sum>(a, x) / reduced_count(x, a, "mean");
}
Var softmax(const Var& x, int64_t axis) {
  Var e = op<Exp>(x - op<ReduceMax>({{axis}, true}, x));
  return e / op<Sum>({{axis}, true}, e);
}

using Build = std::function<void(Builder&, Dim n, Dim d)>;
struct Recipe {
  const char* name;
  Build build;
  bool empty = true;  // allows sizes of 0
};

void pointwise_recipes(std::vector<Recipe>& out) {
  out.push_back({"tanh(x * w + b)", [](Builder& b, Dim n, Dim d) {
                   b.result(op<Tanh>(b.input({n, d}) * b.input({d}) + b.input({d})));
                 }});
  out.push_back({"erf gelu in f64", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d}, DType::F64);
                   b.result(x * 0.5 * (op<Erf>(x * 0.70710678118654752) + 1.0));
                 }});
  out.push_back({"rows and columns broadcast", [](Builder& b, Dim n, Dim d) {
                   Var row = b.input({n, Dim(1)}), column = b.input({d}), all = b.input({n, d}),
                       one = b.input({});
                   b.result((row + column) * all - one * op<Exp>(row));
                 }});
  out.push_back({"three trailing channels", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d, Dim(3)});
                   b.result(x * b.input({Dim(3)}) + b.input({d, Dim(1)}));
                 }});
  out.push_back({"integers", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d}, DType::I32), y = b.input({d}, DType::I32);
                   b.result(op<FloorDivide>(x, y) + op<Remainder>(x, y));
                   b.result(op<Cast>({DType::F32}, x));
                 }});
  out.push_back({"a choice by a mask", [](Builder& b, Dim n, Dim d) {
                   Var m = b.input({n, Dim(1)}, DType::Bool), x = b.input({n, d}), y = b.input({});
                   b.result(op<Where>(m, x, y));
                   b.result(op<Lt>(x, y));
                 }});
  out.push_back(
      {"a reduction that nothing needs", [](Builder& b, Dim n, Dim d) {
         // The position in one element is 0, whatever the sum.
         Var sum = op<Sum>({{0}, true}, b.input({n, d}, DType::F64));
         b.result(op<BitwiseAnd>(op<ArgMax>({{0}, true}, sum), b.input({Dim(1), d}, DType::I64)));
       }});
  out.push_back({"a transposed operand", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d}), y = b.input({d, n});
                   b.result(op<Permute>({{1, 0}}, x) + y);
                   b.result(op<Exp>(y));
                 }});
  out.push_back({"a permuted result of arithmetic", [](Builder& b, Dim n, Dim d) {
                   b.result(op<Permute>({{1, 0}}, op<Exp>(b.input({n, d}))));
                 }});
  out.push_back({"a slice of arithmetic", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d + 3});
                   Slice::Attrs every{1, {Dim(1), Dim(1) + d}, 1};
                   b.result(op<Slice>(every, x * x) - b.input({n, d}));
                 }});
  out.push_back(
      {"a causal mask from positions", [](Builder& b, Dim n, Dim d) {
         Var x = b.input({n, d});
         Var i = op_beside<Arange>(x, {{n}, 0, 1, DType::I64}),
             j = op_beside<Arange>(x, {{d}, 2, 3, DType::I64});
         b.result(op<Where>(op<Ge>(op<Reshape>({{n, Dim(1)}}, i), j), x, constant_like(x, -1)));
       }});
}

void row_recipes(std::vector<Recipe>& out) {
  out.push_back({"softmax of rows",
                 [](Builder& b, Dim n, Dim d) { b.result(softmax(b.input({n, d}), 1)); }, false});
  out.push_back({"softmax of columns",
                 [](Builder& b, Dim n, Dim d) { b.result(softmax(b.input({n, d}), 0)); }, false});
  out.push_back({"layer norm with its statistics", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d}), w = b.input({d}), bias = b.input({d});
                   Var mu = mean(x, {1});
                   Var centered = x - mu;
                   Var rstd = 1.0 / op<Sqrt>(mean(centered * centered, {1}) + 1e-5);
                   b.result(centered * rstd * w + bias);
                   b.result(mu);
                   b.result(op<Reshape>({{n}}, rstd));
                 }});
  out.push_back({"batch norm with its statistics", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, Dim(5), d, Dim(2)}), w = b.input({Dim(5), Dim(1), Dim(1)});
                   Var mu = mean(x, {0, 2, 3});
                   Var centered = x - mu;
                   Var var = mean(centered * centered, {0, 2, 3});
                   b.result(centered / op<Sqrt>(var + 1e-5) * w);
                   b.result(op<Reshape>({{Dim(5)}}, mu));
                 }});
  out.push_back({"group norm through reshapes",
                 [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, Dim(6), d});
                   Var g = op<Reshape>({{n, Dim(2), Dim(3) * d}}, x);
                   Var y = g - mean(g, {2});
                   b.result(op<Reshape>({{n, Dim(6), d}}, y) * b.input({Dim(6), Dim(1)}));
                 },
                 false});
  out.push_back({"every reduction of rows",
                 [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d});
                   b.result(op<Sum>({{1}, false}, x));
                   b.result(op<Prod>({{1}, false}, x));
                   b.result(op<ReduceMax>({{1}, false}, x));
                   b.result(op<ReduceMin>({{1}, true}, x));
                   b.result(op<ArgMax>({{1}, false}, x));
                 },
                 false});
  out.push_back({"argmin of one mean a row", [](Builder& b, Dim n, Dim d) {
                   b.result(op<ArgMin>({{1}, true}, mean(b.input({n, d}), {1})));
                 }});
  out.push_back({"elements beside the argmin of one mean a row", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d});
                   b.result(x + op<Cast>({DType::F32}, op<ArgMin>({{1}, true}, mean(x, {1}))));
                 }});
  out.push_back(
      {"argmin of columns",
       [](Builder& b, Dim n, Dim d) { b.result(op<ArgMin>({{0}, false}, b.input({n, d}))); },
       false});
}

void sum_recipes(std::vector<Recipe>& out) {
  out.push_back({"a sum of columns", [](Builder& b, Dim n, Dim d) {
                   b.result(op<Sum>({{0}, false}, b.input({n, d}) * b.input({d})));
                 }});
  out.push_back({"a sum of everything", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d});
                   b.result(op<Sum>({{}, false}, x * x));
                 }});
  out.push_back({"a mean taken away", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, d}, DType::F64);
                   b.result(x - mean(x, {0, 1}));
                 }});
  out.push_back({"integer sums are i64", [](Builder& b, Dim n, Dim d) {
                   Var x = op<Cast>({DType::I64}, b.input({n, d}, DType::I32));
                   b.result(op<Sum>({{1}, false}, x));
                   b.result(op<Prod>({{1}, false}, x));
                 }});
  out.push_back({"i64 sums of columns", [](Builder& b, Dim n, Dim d) {
                   b.result(op<Sum>({{0}, false}, b.input({n, d}, DType::I64)));
                 }});
  out.push_back({"a sum of a broadcast", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, Dim(1)});
                   b.result(op<Sum>({{1}, false}, op<Expand>({{n, d}}, x)));
                 }});
  out.push_back({"a sum over a permuted operand", [](Builder& b, Dim n, Dim d) {
                   Var x = op<Permute>({{2, 0, 1}}, b.input({n, d, Dim(4)}));
                   b.result(op<Sum>({{1}, false}, x));
                 }});
  out.push_back({"an axis of size one", [](Builder& b, Dim n, Dim d) {
                   Var x = b.input({n, Dim(1), d});
                   b.result(op<Sum>({{1}, false}, x) + 1.0);
                 }});
}

}  // namespace

std::vector<KernelCase> kernel_cases(int64_t n, int64_t d, bool symbolic) {
  std::vector<Recipe> recipes;
  pointwise_recipes(recipes);
  row_recipes(recipes);
  sum_recipes(recipes);
  std::vector<KernelCase> out;
  Dim rows = symbolic ? Dim::symbol("N") : Dim(n);
  for (const Recipe& r : recipes) {
    if (!r.empty && (n == 0 || d == 0)) continue;
    Builder b;
    r.build(b, rows, Dim(d));
    KernelCase c{r.name, std::move(b.graph), {}};
    if (symbolic) c.bindings.push_back({rows, n});
    out.push_back(std::move(c));
  }
  return out;
}

Dense random_dense(DType t, Sizes sizes, uint64_t seed, bool specials) {
  Dense out(t, std::move(sizes));
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (int64_t i = 0; i < out.numel(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t r = state >> 33;
    double v = static_cast<double>(r % 4001) / 1000 - 2;
    if (r % 97 == 0) v = -0.0;
    if (!is_float(t)) v = static_cast<double>(r % 19) - 9;
    if (specials && r % 211 == 0) v = __builtin_inf();
    if (specials && r % 1013 == 0) v = __builtin_nan("");
    if (is_bool(t)) v = static_cast<double>(r % 2);
    out.set(i, eval_cast(DType::F64, t, to_bits(v)));
  }
  return out;
}

std::vector<Dense> random_inputs(const KernelCase& c, uint64_t seed, bool specials) {
  std::vector<Dense> out;
  for (const GraphInput& in : c.graph.inputs()) {
    const TensorType& t = c.graph.type(in.value);
    out.push_back(
        random_dense(t.dtype, shape_eval(t.shape, c.bindings), seed + out.size(), specials));
  }
  return out;
}

}  // namespace etch::test
