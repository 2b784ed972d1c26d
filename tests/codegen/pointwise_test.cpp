#include <catch2/catch.hpp>

#include "tests/codegen/hand_kernel.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::test;

namespace {

constexpr DType kTypes[] = {DType::Bool, DType::U8,  DType::I8,  DType::U16, DType::I16, DType::U32,
                            DType::I32,  DType::U64, DType::I64, DType::F32, DType::F64};

/// One kernel with every primitive that takes `t`, over `n` points.
HandKernel all_primitives(DType t, int64_t n) {
  HandKernel c({n}, {});
  Expr in[] = {c.load(t), c.load(t), c.load(t)};
  Expr condition = c.load(DType::Bool);
  for (int i = 0; i < kPrimCount; ++i) {
    auto p = static_cast<Prim>(i);
    if (is_leaf(p) || is_func(p) || p == Prim::Reduce || !contains(info(p).types, t)) continue;
    if (p == Prim::Select || p == Prim::Cast || p == Prim::Bitcast) continue;
    c.store(c.k.exprs.make(p, result_dtype(p, t, t), {in, info(p).arity}), false);
  }
  c.store(select(condition, in[0], in[1]), false);
  return c;
}

}  // namespace

TEST_CASE("every primitive on every type compiles to the reference's bits") {
  for (DType t : kTypes) {
    INFO(name(t));
    CHECK(check_everywhere(all_primitives(t, 1000), 7) == "");
  }
}

TEST_CASE("every cast and bitcast compiles to the reference's bits") {
  for (DType from : kTypes) {
    HandKernel c({1500}, {});
    Expr x = c.load(from);
    for (DType to : kTypes) {
      if (to != from) c.store(cast(x, to), false);
      if (to != from && !is_bool(to) && !is_bool(from) && bits(to) == bits(from))
        c.store(bitcast(x, to), false);
    }
    INFO(name(from));
    CHECK(check_everywhere(c, 11) == "");
  }
}

TEST_CASE("every math function compiles to the reference's bits") {
  for (DType t : {DType::F32, DType::F64}) {
    for (int i = 0; i < kPrimCount; ++i) {
      auto p = static_cast<Prim>(i);
      if (!is_func(p) || !contains(info(p).types, t)) continue;
      HandKernel c({2100}, {});
      Expr in[] = {c.load(t), c.load(t)};
      c.store(c.k.exprs.make(p, t, {in, info(p).arity}), false);
      INFO(name(p) << ' ' << name(t));
      CHECK(check_everywhere(c, 13) == "");
    }
  }
}

TEST_CASE("random words compile to the reference's bits") {
  HandKernel c({530}, {});
  Expr seed = c.load(DType::U64), ordinal = c.load(DType::U64, {0});
  Expr i = cast(c.k.exprs.index(0), DType::U64);
  c.store(philox(seed, ordinal, i), false);
  c.store(philox64(seed, ordinal, i), false);
  CHECK(check_everywhere(c) == "");
}

TEST_CASE("every length has a right tail on every type") {
  for (DType t : {DType::Bool, DType::U8, DType::I16, DType::F32, DType::F64}) {
    int64_t most = 512 / bits(t) * 4 + 1;
    for (int64_t n = 0; n <= most; n += n < 70 ? 1 : 27) {
      HandKernel c({n}, {});
      Expr x = c.load(t), y = c.load(t);
      c.store(max(x, y), false);
      c.store(eq(x, y), false);
      INFO(name(t) << " x " << n);
      REQUIRE(check_everywhere(c) == "");
    }
  }
}

TEST_CASE("literal operands of min, max and division keep the special cases") {
  for (DType t : {DType::F32, DType::F64}) {
    HandKernel c({700}, {});
    Expr x = c.load(t);
    for (double v : {0.0, -0.0, 2.0, -3.5, __builtin_nan(""), __builtin_inf()}) {
      Expr l = c.k.exprs.lit(t, v);
      for (Expr e : {min(x, l), max(x, l), min(l, x), max(l, x), x / l}) c.store(e, false);
    }
    CHECK(check_everywhere(c) == "");
  }
  for (DType t : {DType::I8, DType::U16, DType::I32, DType::I64, DType::U64}) {
    HandKernel c({700}, {});
    Expr x = c.load(t);
    for (int64_t v : {0, 1, -1, 3, 7, -8, 64}) {
      Expr l = c.k.exprs.lit_int(t, v);
      for (Expr e : {x / l, int_rem(x, l), x << l, x >> l, l / x}) c.store(e, false);
    }
    INFO(name(t));
    CHECK(check_everywhere(c) == "");
  }
}

TEST_CASE("broadcast, strided, transposed and reversed operands are read in place") {
  DType f = DType::F32;
  for (int64_t n : {1, 5, 16, 33, 100}) {
    HandKernel c({3, 4, n}, {});
    Expr dense = c.load(f), row = c.load(f, {0, 0, 1}), column = c.load(f, {4, 1, 0});
    Expr strided = c.load(f, {0, 2 * n, 2}, 1), transposed = c.load(f, {1, 3, 12});
    Expr reversed = c.load(f, {4 * n, n, -1}, n - 1), bytes = c.load(DType::U8, {1, 3, 12});
    Expr scalar = c.load(f, {0, 0, 0});
    c.store(dense + row * column, false);
    c.store(strided - transposed, false);
    c.store(reversed * cast(bytes, f) + scalar, false);
    c.store(cast(c.k.exprs.index(1) * 7 + c.k.exprs.index(2) - c.k.exprs.index(0), f), false);
    INFO(n);
    REQUIRE(check_everywhere(c) == "");
  }
}

TEST_CASE("kernels without axes and with run-time scalars work") {
  HandKernel scalar({}, {});
  Expr x = scalar.load(DType::F32);
  scalar.store(exp(x) + 1, false);
  CHECK(check_everywhere(scalar) == "");
  HandKernel c({37}, {});
  c.k.params = {Dim(41), Dim(-7)};
  Expr p = c.k.exprs.param(DType::I64, 0), q = c.k.exprs.param(DType::I64, 1);
  Expr y = c.load(DType::F64);
  c.store(y * cast(p, DType::F64) + cast(q, DType::F64), false);
  CHECK(check_everywhere(c) == "");
}

TEST_CASE("an output may be the memory of an input that is read at the same place") {
  HandKernel c({1000}, {});
  Expr x = c.load(DType::F32);
  c.store(exp(x) * x, false);
  codegen::PlanResult plan = codegen::make_plan(c.k);
  for (int tier : {0, 1}) {
    codegen::CompiledObject object;
    REQUIRE(codegen::cpu_backend().compile(
                {&*plan.plan, 1}, codegen::target_for(runtime::best_isa()), {tier}, object) == "");
    auto code = codegen::cpu_backend().load(object);
    std::vector<float> in(1000), out(1000);
    fill_values(DType::F32, reinterpret_cast<std::byte*>(in.data()), in.size(), 3);
    loop::BoundKernel b;
    bind(c.k, {}, b);
    void* apart[] = {in.data(), out.data()};
    loop::KernelArgs args{apart, b.sizes.data(), b.strides.data(), b.offsets.data(), nullptr,
                          0,     1000,           nullptr};
    code->entry(0)(&args);
    void* same[] = {in.data(), in.data()};
    args.buffers = same;
    code->entry(0)(&args);
    CHECK(std::memcmp(in.data(), out.data(), 4000) == 0);
  }
}
