// Products of one term against the reference kernel, which states the order of sums.
#include <catch2/catch.hpp>

#include <cmath>

#include "codegen/program_source.h"
#include "ir/ops/contract.h"
#include "ir/verify.h"
#include "passes/simplify.h"
#include "runtime/program/program.h"
#include "tests/support/op_call.h"

using namespace etch;
using namespace etch::test;

namespace {

template <class T>
Dense special_values(Sizes sizes) {
  const T tiny = std::numeric_limits<T>::denorm_min(), inf = std::numeric_limits<T>::infinity();
  const T values[] = {T(0), -T(0), tiny, -tiny, T(0.25), T(-0.25), inf, -inf, T(3), std::nan("")};
  Dense out(dtype_of<T>, std::move(sizes));
  for (int64_t i = 0; i < out.numel(); ++i) out.as<T>()[i] = values[i % 10];
  return out;
}

Dense reference(const Dense& a, const Dense& b, Sizes sizes) {
  Dense out(a.dtype, std::move(sizes));
  auto ref = [](const Dense& d) {
    return ir::TensorRef{const_cast<std::byte*>(d.bytes.data()), d.dtype, d.sizes};
  };
  const ir::TensorRef in[] = {ref(a), ref(b)}, to[] = {ref(out)};
  const ir::OpDef& op = ir::op_def<ir::MatMul>();
  op.kernel({op, in, to, nullptr});
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("a column times a row is elementwise and keeps the signs of its zeros",
                   "[passes]", float, double) {
  struct Case {
    Sizes a, b, out;
  };
  for (const Case& c : {Case{{10, 1}, {1, 10}, {10, 10}}, Case{{3, 10, 1}, {1, 20}, {3, 10, 20}},
                        Case{{10, 1}, {2, 1, 10}, {2, 10, 10}}, Case{{1, 1}, {1, 30}, {1, 30}}}) {
    CAPTURE(c.out.size());
    Dense a = special_values<TestType>(c.a), b = special_values<TestType>(c.b);
    ir::Graph g;
    const ir::Value in[] = {g.add_input("a", {a.dtype, to_shape(c.a)}),
                            g.add_input("b", {b.dtype, to_shape(c.b)})};
    g.add_result({g.add_node(ir::op_def<ir::MatMul>(), in, {}, {{a.dtype, to_shape(c.out)}}), 0},
                 "y");
    REQUIRE(passes::simplify(g, {}));
    ir::verify(g);
    for (ir::NodeId id : g) {
      CHECK((g.node(id).uses.empty() || g.node(id).op->kind != ir::OpKind::Contraction));
    }
    Dense want = reference(a, b, c.out);
    codegen::CompiledKernels kernels;
    for (runtime::KernelSource* source : {static_cast<runtime::KernelSource*>(nullptr),
                                          static_cast<runtime::KernelSource*>(&kernels)}) {
      runtime::Program p = runtime::Program::build(g, {.kernels = source});
      runtime::Context context(p);
      const Tensor inputs[] = {to_tensor(a), to_tensor(b)};
      Dense got = to_dense(p.run(context, inputs).front());
      CHECK(first_difference(got, want) == "");
    }
  }
}

TEST_CASE("products of more than one term stay products", "[passes]") {
  ir::Graph g;
  const ir::Value in[] = {g.add_input("a", {DType::F32, {Dim(4), Dim(2)}}),
                          g.add_input("b", {DType::F32, {Dim(2), Dim(4)}})};
  g.add_result({g.add_node(ir::op_def<ir::MatMul>(), in, {}, {{DType::F32, {Dim(4), Dim(4)}}}), 0},
               "y");
  CHECK_FALSE(passes::simplify(g, {}));
}
