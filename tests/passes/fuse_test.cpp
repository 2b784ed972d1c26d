#include <catch2/catch.hpp>

#include "ir/ops/contract.h"
#include "ir/ops/math.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "ir/verify.h"
#include "passes/fuse.h"
#include "tests/support/kernel_cases.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::test;

namespace {

struct Builder {
  Graph graph;
  GraphEmitter emitter{graph};
  Var input(Shape shape) {
    return emitter.var(graph.add_input(cat("x", graph.inputs().size()), {DType::F32, shape}));
  }
  void result(const Var& v) { graph.add_result(GraphEmitter::value(v), "y"); }
  /// Fuses and verifies; the number of nodes besides inputs.
  size_t fuse() {
    passes::fuse(graph, {});
    verify(graph);
    return graph.size() - graph.inputs().size();
  }
};

/// Replaces fusion nodes by their bodies, so that the oracle can run the graph.
Graph inlined(const Graph& g) {
  Graph out;
  std::vector<Value> inputs;
  for (const GraphInput& in : g.inputs())
    inputs.push_back(out.add_input(in.name, g.type(in.value)));
  std::unordered_map<Value, Value, ValueHash> map;
  for (size_t i = 0; i < inputs.size(); ++i) map[g.inputs()[i].value] = inputs[i];
  for (NodeId id : g) {
    const Node& n = g.node(id);
    if (is_input(n)) continue;
    std::vector<Value> operands;
    for (Value v : n.inputs) operands.push_back(map.at(v));
    if (is_fusion(n)) {
      std::vector<Value> results = inline_graph(out, *n.body, operands);
      for (uint32_t i = 0; i < results.size(); ++i) map[{id, i}] = results[i];
    } else if (is_constant(n)) {
      map[{id, 0}] = out.add_constant(n.constant);
    } else {
      map[{id, 0}] = {out.add_node(*n.op, operands, n.attrs, n.outputs), 0};
    }
  }
  for (const GraphResult& r : g.results()) out.add_result(map.at(r.value), r.name);
  return out;
}

}  // namespace

TEST_CASE("fusion keeps every case's results") {
  for (KernelCase& c : kernel_cases(5, 6, true)) {
    INFO(c.name);
    std::vector<Dense> inputs = random_inputs(c, 5);
    std::vector<Dense> want = run_graph_naive(c.graph, inputs, c.bindings);
    passes::fuse(c.graph, {});
    verify(c.graph);
    std::vector<Dense> got = run_graph_naive(inlined(c.graph), inputs, c.bindings);
    for (size_t i = 0; i < want.size(); ++i) CHECK(first_difference(got[i], want[i]) == "");
  }
}

TEST_CASE("softmax becomes one kernel") {
  Builder b;
  Var x = b.input({Dim::symbol("N"), Dim(10)});
  Var e = op<Exp>(x - op<ReduceMax>({{1}, true}, x));
  b.result(e / op<Sum>({{1}, true}, e));
  CHECK(b.fuse() == 1);
}

TEST_CASE("a value read outside its group becomes a further result") {
  Builder b;
  Var x = b.input({Dim(8), Dim(8)}), w = b.input({Dim(8), Dim(8)});
  Var h = op<Exp>(x * x);
  b.result(op<MatMul>(h, w));
  b.result(op<Exp>(h) + h);
  CHECK(b.fuse() == 2);
}

TEST_CASE("a group never waits for what its own result feeds") {
  Builder b;
  Var x = b.input({Dim(8), Dim(8)}), w = b.input({Dim(8), Dim(8)});
  Var h = op<Exp>(x * x);
  b.result(op<MatMul>(h, w) + h);
  CHECK(b.fuse() == 3);
}

TEST_CASE("reductions over different axes stay apart") {
  Builder b;
  Var x = b.input({Dim(8), Dim(9)});
  b.result(op<Sum>({{0}, false}, x * x));
  b.result(op<Sum>({{1}, false}, x * x));
  b.fuse();
  CHECK(b.graph.results()[0].value.node != b.graph.results()[1].value.node);
}

TEST_CASE("a costly small operand is not computed again for every element") {
  Builder b;
  Var x = b.input({Dim(1000), Dim(16)}), w = b.input({Dim(16)});
  b.result(x * op<Exp>(w));
  CHECK(b.fuse() == 2);
}

TEST_CASE("long chains are cut at the limit") {
  Builder b;
  Var x = b.input({Dim(4)});
  for (int i = 0; i < 200; ++i) x = op<Exp>(x);
  b.result(x);
  CHECK(b.fuse() == 4);
}
