// Shared by the tests of programs: graphs as text, tensors from a seed, and node by node evaluation
// with eager operators as the oracle.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "etch/tensor.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "runtime/eager.h"
#include "runtime/program/plan.h"
#include "runtime/program/program.h"
#include "runtime/tensor_impl.h"

namespace etch::test {

inline ir::Graph graph(const std::string& body) {
  ir::Graph g = ir::parse(cat("etch.ir 1\ngraph \"main\" {\n", body, "}\n"));
  ir::verify(g);
  return g;
}

inline Tensor random_f32(std::vector<int64_t> sizes, uint32_t seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> uniform(-2, 2);
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = uniform(rng);
  return from_bytes(values.data(), sizes, DType::F32);
}

/// Answers for symbols while eager operators resolve attributes.
class FixedSizes final : public DimResolver {
 public:
  explicit FixedSizes(SymbolBindings bindings)
      : bindings_(std::move(bindings)), before_(exchange_dim_resolver(this)) {}
  ~FixedSizes() override { exchange_dim_resolver(before_); }
  int64_t value_of(Dim d) override { return dim_eval(d, bindings_); }
  bool equal(Dim a, Dim b) override { return value_of(a) == value_of(b); }
  bool less(Dim a, Dim b) override { return value_of(a) < value_of(b); }

 private:
  SymbolBindings bindings_;
  DimResolver* before_;
};

/// Every result, one eager operator call per node.
inline std::vector<Tensor> run_eagerly(const ir::Graph& g, std::span<const Tensor> inputs,
                                       const SymbolBindings& bindings = {}) {
  FixedSizes sizes(bindings);
  std::vector<std::vector<Tensor>> values(g.capacity());
  for (size_t i = 0; i < inputs.size(); ++i) {
    values[g.inputs()[i].value.node] = {inputs[i]};
  }
  for (ir::NodeId id : g) {
    const ir::Node& n = g.node(id);
    if (ir::is_input(n)) continue;
    std::vector<Tensor> in;
    for (ir::Value v : n.inputs) {
      const runtime::TensorImpl& t = runtime::impl(values[v.node][v.index]);
      // An empty tensor has no elements to lay out: take row-major strides.
      in.push_back(t.numel == 0 ? empty(SizeList(std::span<const int64_t>(t.sizes)), t.dtype)
                                : values[v.node][v.index]);
    }
    if (ir::is_constant(n)) {
      values[id] = {from_bytes(n.constant->data.get(), n.constant->sizes, n.constant->dtype)};
    } else if (ir::is_fusion(n)) {
      values[id] = run_eagerly(*n.body, in, bindings);
    } else {
      values[id] = runtime::apply(*n.op, in, n.attrs.data());
    }
  }
  std::vector<Tensor> out;
  for (const ir::GraphResult& r : g.results()) out.push_back(values[r.value.node][r.value.index]);
  return out;
}

/// Same dtype, sizes and bits; all NaNs count as one value.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  Tensor x = runtime::dense(a), y = runtime::dense(b);
  const runtime::TensorImpl &i = runtime::impl(x), &j = runtime::impl(y);
  if (i.dtype != j.dtype || !(i.sizes == j.sizes)) return false;
  if (i.dtype == DType::F32) {
    const auto *p = static_cast<const float*>(i.data), *q = static_cast<const float*>(j.data);
    for (int64_t n = 0; n < i.numel; ++n) {
      bool same = std::memcmp(p + n, q + n, 4) == 0 || (std::isnan(p[n]) && std::isnan(q[n]));
      if (!same) return false;
    }
    return true;
  }
  return std::memcmp(i.data, j.data, static_cast<size_t>(i.numel) * itemsize(i.dtype)) == 0;
}

/// The message of the UserError that `f` throws, or "".
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

}  // namespace etch::test
