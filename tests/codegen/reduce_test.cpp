#include <catch2/catch.hpp>

#include "tests/codegen/hand_kernel.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::test;

namespace {

constexpr ReduceKind kKinds[] = {ReduceKind::Sum, ReduceKind::Prod,   ReduceKind::Max,
                                 ReduceKind::Min, ReduceKind::ArgMax, ReduceKind::ArgMin};

/// All reductions of one operand, each stored per outer point.
void reduce_all(HandKernel& c, Expr x) {
  for (ReduceKind kind : kKinds) {
    bool number = kind != ReduceKind::Sum && kind != ReduceKind::Prod;
    if (is_bool(x.dtype()) && !number) continue;
    c.store(c.reduce(kind, x), false);
  }
}

void softmax(HandKernel& c, Expr x) {
  Expr e = exp(x - c.reduce(ReduceKind::Max, x));
  c.store(e / c.reduce(ReduceKind::Sum, e), true);
}

}  // namespace

TEST_CASE("row reductions of every kind and type follow the canonical order") {
  for (DType t :
       {DType::Bool, DType::U8, DType::I32, DType::U64, DType::I64, DType::F32, DType::F64}) {
    for (int64_t n : {1, 63, 64, 65, 300}) {
      HandKernel c({5}, {n});
      reduce_all(c, c.load(t));
      INFO(name(t) << " rows of " << n);
      REQUIRE(check_everywhere(c, static_cast<uint64_t>(n)) == "");
    }
  }
}

TEST_CASE("rows of every length up to two blocks, and over chunk borders, sum the same") {
  for (int64_t n = 0; n < 140; ++n) {
    HandKernel c({3}, {n});
    Expr x = c.load(DType::F32);
    c.store(c.reduce(ReduceKind::Sum, x), false);
    INFO(n);
    REQUIRE(check_everywhere(c) == "");
  }
  for (int64_t n : {4095, 4096, 4097, 8192, 12289, 20480, 28673, 45057}) {
    HandKernel c({2}, {n});
    Expr x = c.load(DType::F32);
    c.store(c.reduce(ReduceKind::Sum, x * 0.125), false);
    c.store(c.reduce(ReduceKind::ArgMax, x), false);
    INFO(n);
    REQUIRE(check_everywhere(c) == "");
  }
}

TEST_CASE("softmax and layer normalisation rows match the reference bit for bit") {
  for (int64_t n : {1, 7, 16, 64, 100, 1024, 4100}) {
    for (DType t : {DType::F32, DType::F64}) {
      HandKernel s({3}, {n});
      softmax(s, s.load(t));
      INFO(name(t) << ' ' << n);
      REQUIRE(check_everywhere(s) == "");
      HandKernel l({3}, {n});
      Expr x = l.load(t), w = l.load(t, {0, 1}), b = l.load(t, {0, 1});
      Expr mean = l.reduce(ReduceKind::Sum, x) / static_cast<double>(n);
      Expr d = x - mean;
      Expr var = l.reduce(ReduceKind::Sum, d * d) / static_cast<double>(n);
      l.store(fma(d / sqrt(var + 1e-5), w, b), true);
      l.store(mean, false);
      REQUIRE(check_everywhere(l) == "");
    }
  }
}

TEST_CASE("rows over several inner axes number their elements across the axes") {
  for (int64_t n : {1, 9, 70, 1500}) {
    HandKernel c({4}, {3, n});
    Expr x = c.load(DType::F32, {n, 4 * n, 1}), w = c.load(DType::F32, {0, 0, 1}),
         v = c.load(DType::F32, {1, 4, 0});
    Expr mean = c.reduce(ReduceKind::Sum, x * w + v);
    c.store(mean, false);
    c.store(c.reduce(ReduceKind::ArgMin, x), false);
    c.store(exp(x - mean), true, {n, 4 * n, 1});
    INFO(n);
    REQUIRE(check_everywhere(c) == "");
  }
  HandKernel soft({2}, {3, 40});
  softmax(soft, soft.load(DType::F32, {40, 80, 1}));
  CHECK(check_everywhere(soft) == "");
}

TEST_CASE("column reductions of every kind and type follow the canonical order") {
  for (DType t : {DType::Bool, DType::I16, DType::I64, DType::F32, DType::F64}) {
    for (int64_t n : {0, 1, 6, 64, 65, 200, 4097}) {
      if (n == 0 && is_bool(t)) continue;
      HandKernel c({n > 4000 ? 19 : 83}, {n});
      int64_t columns = c.k.outer[0].value();
      Expr x = c.load(t, {1, columns});
      if (n == 0)
        c.store(c.reduce(ReduceKind::Sum, x), false);
      else
        reduce_all(c, x);
      INFO(name(t) << " columns of " << n);
      REQUIRE(check_everywhere(c, static_cast<uint64_t>(n)) == "");
    }
  }
}

TEST_CASE("column kernels store inner values and walk several inner axes") {
  for (int64_t columns : {1, 15, 16, 64, 150}) {
    HandKernel c({2, columns}, {5, 14});
    std::vector<int64_t> dense = {70 * columns, 1, 14 * columns, columns};
    Expr x = c.load(DType::F32, dense), w = c.load(DType::F32, {0, 0, 14, 1});
    Expr e = exp(x * w - c.reduce(ReduceKind::Max, x));
    c.store(e / c.reduce(ReduceKind::Sum, e), true, dense);
    c.store(c.reduce(ReduceKind::Sum, w), false);
    INFO(columns);
    REQUIRE(check_everywhere(c) == "");
  }
}

TEST_CASE("full reductions have no outer axes") {
  HandKernel c({}, {10000});
  Expr x = c.load(DType::F32), y = c.load(DType::F32);
  c.store(c.reduce(ReduceKind::Sum, x * y), false);
  CHECK(check_everywhere(c) == "");
}
