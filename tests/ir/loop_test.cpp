#include <catch2/catch.hpp>

#include "ir/loop/lower.h"
#include "ir/ops/math.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "tests/support/kernel_cases.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::test;

namespace {

std::vector<Dense> run_lowered(const KernelCase& c, std::vector<Dense> inputs) {
  loop::Lowered lowered = loop::lower(c.graph);
  INFO(c.name << ": " << lowered.reason);
  REQUIRE(lowered.kernel.has_value());
  loop::BoundKernel bound;
  loop::bind(*lowered.kernel, c.bindings, bound);
  std::vector<Dense> outputs;
  for (const GraphResult& r : c.graph.results()) {
    const TensorType& t = c.graph.type(r.value);
    outputs.emplace_back(t.dtype, shape_eval(t.shape, c.bindings));
  }
  std::vector<void*> buffers;
  for (Dense& d : inputs) buffers.push_back(d.bytes.data());
  for (Dense& d : outputs) buffers.push_back(d.bytes.data());
  run_kernel_naive(*lowered.kernel, bound, buffers.data());
  return outputs;
}

struct Builder {
  Graph graph;
  GraphEmitter emitter{graph};
  Var input(Shape shape) {
    return emitter.var(graph.add_input(cat("x", graph.inputs().size()), {DType::F32, shape}));
  }
  void result(const Var& v) { graph.add_result(GraphEmitter::value(v), "y"); }
};

}  // namespace

TEST_CASE("a lowered group computes what its operators compute one by one") {
  for (auto [n, d] : {std::pair{3, 7}, {1, 1}, {2, 70}, {70, 2}, {0, 4}, {4, 0}, {1, 4200}}) {
    for (bool symbolic : {false, true}) {
      for (const KernelCase& c : kernel_cases(n, d, symbolic)) {
        std::vector<Dense> inputs = random_inputs(c, 7);
        std::vector<Dense> want = run_graph_naive(c.graph, inputs, c.bindings);
        std::vector<Dense> got = run_lowered(c, inputs);
        for (size_t i = 0; i < want.size(); ++i) {
          INFO(c.name << " on " << n << " x " << d << ", result " << i);
          REQUIRE(first_difference(got[i], want[i]) == "");
        }
      }
    }
  }
}

TEST_CASE("contiguous pointwise axes merge into one") {
  Builder b;
  Dim n = Dim::symbol("N");
  b.result(op<Exp>(b.input({n, Dim(3), Dim(5)}) + b.input({n, Dim(3), Dim(5)})));
  loop::Kernel k = *loop::lower(b.graph).kernel;
  CHECK(to_text(k.outer[0]) == "15*N");
  CHECK(k.axes() == 1);
}

TEST_CASE("statistics over batch and positions keep the channels as outer axis") {
  Builder b;
  Var x = b.input({Dim(8), Dim(16), Dim(7), Dim(9)});
  b.result(op<Sum>({{0, 2, 3}, false}, x));
  loop::Kernel k = *loop::lower(b.graph).kernel;
  REQUIRE(k.outer.size() == 1);
  REQUIRE(k.inner.size() == 2);
  CHECK(k.outer[0].is(16));
  CHECK(k.inner[0].is(8));
  CHECK(k.inner[1].is(63));
}

TEST_CASE("an operand is read through its view") {
  Builder b;
  b.result(op<Exp>(b.input({Dim(4), Dim(6)})));
  StridedView view{{Dim(4), Dim(6)}, {Dim(1), Dim(10)}, Dim(3)};
  loop::Kernel k = *loop::lower(b.graph, {&view, 1}).kernel;
  REQUIRE(k.loads.size() == 1);
  CHECK(k.loads[0].offset.is(3));
  CHECK(k.loads[0].strides[0].is(1));
  CHECK(k.loads[0].strides[1].is(10));
}

TEST_CASE("reductions over different axes are refused with a reason") {
  Builder b;
  Var x = b.input({Dim(4), Dim(6)});
  b.result(op<Sum>({{0}, true}, x) + op<Sum>({{1}, true}, x));
  loop::Lowered l = loop::lower(b.graph);
  CHECK_FALSE(l.kernel.has_value());
  CHECK_FALSE(l.reason.empty());
}

TEST_CASE("a total used by every row is refused, not computed again for each") {
  Builder b;
  Var x = b.input({Dim(4), Dim(6)}), w = b.input({Dim(6)});
  b.result(op<Sum>({{1}, true}, x) * op<Sum>({{0}, true}, w));
  CHECK_FALSE(loop::lower(b.graph).kernel.has_value());
}

TEST_CASE("kernels that differ in sizes only have one key, other strides another") {
  auto key = [](int64_t n, bool transposed) {
    Builder b;
    Var x = b.input({Dim(n), Dim(n + 1)});
    Var y = b.input({Dim(n + 1)});
    b.result(transposed ? op<Permute>({{1, 0}}, op<Exp>(x * y)) : op<Exp>(x * y));
    return loop::kernel_key(*loop::lower(b.graph).kernel);
  };
  CHECK(key(5, false) == key(9, false));
  CHECK(key(5, false) != key(5, true));
}

TEST_CASE("one operator lowers on its own") {
  TensorType t{DType::F32, {Dim(3), Dim(1), Dim(4)}};
  TensorType u{DType::F32, {Dim(5), Dim(4)}};
  TensorType in[] = {t, u};
  loop::Lowered l = loop::lower_op(op_def<Add>(), in, nullptr);
  REQUIRE(l.kernel.has_value());
  CHECK(l.kernel->name == "k_add");
  CHECK(l.kernel->outer.size() == 3);
}
