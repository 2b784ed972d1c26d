// Expressions with a loop of their own: found where they are, and the same bits.
#include "runtime/interp/fused.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "etch/autograd.h"
#include "etch/ops.h"

using namespace etch;
using ir::Expr;
using ir::ExprGraph;

namespace {

/// Numbers around every branch of the functions, the special ones, and a spread of others.
Tensor operand(std::vector<int64_t> sizes) {
  Tensor t = empty(SizeList(sizes), DType::F32);
  float* p = t.data<float>();
  const float special[] = {0.f,      -0.f,      1.f,     -1.f,  88.8f,      -88.8f, 104.f,
                           -104.f,   3.925f,    -3.925f, 40.f,  -40.f,      1e-40f, -1e-40f,
                           INFINITY, -INFINITY, NAN,     1e38f, 0.99999994f};
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  for (int64_t i = 0; i < n; ++i) {
    p[i] = i < 19 ? special[i] : static_cast<float>((i * 2654435761u) % 65536) * 0x1p-12f - 8.f;
  }
  return t;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    if (__builtin_bit_cast(uint32_t, x[i]) != __builtin_bit_cast(uint32_t, y[i])) return false;
  }
  return x.size() == y.size();
}

}  // namespace

TEST_CASE("an expression is recognised by its structure and its literals", "[fused]") {
  ExprGraph g;
  Expr x = g.arg(DType::F32, 0), y = g.arg(DType::F32, 1);
  auto kind = [&](Expr e) { return runtime::match_fused(g, e.id); };
  auto gelu_like = [&](double scale) { return x * 0.5 * (erf(x * scale) + 1.0); };
  REQUIRE(kind(gelu_like(0.70710678118654752440)).has_value());
  CHECK(kind(gelu_like(0.70710678118654752440))->kind == runtime::Fused::Gelu);
  CHECK_FALSE(kind(gelu_like(0.7)).has_value());
  REQUIRE(kind(exp(y - x)).has_value());
  CHECK(kind(exp(y - x))->operands == SmallVec<uint32_t, 3>{y.id, x.id});
  CHECK(kind(exp(y - x))->inside.size() == 1);
  // One operand stands for one value.
  CHECK(kind((x - y) * (x - y))->kind == runtime::Fused::SubSquare);
  CHECK(kind((x - y) * (y - x))->kind == runtime::Fused::SubMul);
  CHECK_FALSE(kind(x * y).has_value());
  Expr wide = cast<double>(x);
  CHECK_FALSE(kind(exp(wide - wide)).has_value());
}

TEST_CASE("fused loops give the bits of their primitives", "[fused]") {
  NoGrad no_grad;
  Tensor x = operand({3, 1000}), rows = operand({40, 64}), w = operand({1000}), b = operand({1000});
  Tensor finite = clamp(where(isnan(rows), zeros({40, 64}), rows), -50, 50);
  auto all = [&] {
    return std::vector<Tensor>{gelu(x),
                               silu(x),
                               sigmoid(x),
                               relu(x),
                               softmax(finite, -1),
                               softmax(x, -1),
                               layer_norm(finite, operand({64}), operand({64})),
                               layer_norm(x, w, b)};
  };
  std::vector<Tensor> want;
  {
    runtime::IsaOverride primitives(runtime::Isa::Generic);
    want = all();
  }
  for (runtime::Isa isa : {runtime::Isa::Avx2, runtime::Isa::Avx512}) {
    if (!runtime::isa_supported(isa)) continue;
    CHECK(runtime::find_fused(runtime::Fused::Gelu, 0, isa) != nullptr);
    runtime::IsaOverride use(isa);
    std::vector<Tensor> got = all();
    for (size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i, static_cast<int>(isa));
      CHECK(same_bits(got[i], want[i]));
    }
  }
}
