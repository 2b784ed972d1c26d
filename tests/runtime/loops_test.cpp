#include "runtime/interp/loops.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ir/scalar/eval.h"

using namespace etch;
using ir::Prim;

namespace {

constexpr DType kTypes[] = {DType::Bool, DType::U8,  DType::I8,  DType::U16, DType::I16, DType::U32,
                            DType::I32,  DType::U64, DType::I64, DType::F32, DType::F64};

std::vector<runtime::Isa> isas() {
  std::vector<runtime::Isa> out;
  for (int i = 0; i < runtime::kIsaCount; ++i) {
    if (runtime::isa_supported(static_cast<runtime::Isa>(i)))
      out.push_back(static_cast<runtime::Isa>(i));
  }
  return out;
}

struct Random {
  uint64_t state = 17;
  uint64_t next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state ^ state >> 31;
  }
};

/// A value of type t: random bits, small integers, and the edges of the type.
uint64_t value(DType t, Random& random) {
  uint64_t w = random.next();
  switch (random.next() % 4) {
    case 0:
      return ir::eval_cast(DType::I32, t, static_cast<uint32_t>(static_cast<int32_t>(w % 9) - 4));
    case 1:
      if (is_float(t)) {
        const double edges[] = {0.0,  -0.0,  1e-310,   -1e-41,    0.5, -1.5,
                                3e38, 1e308, HUGE_VAL, -HUGE_VAL, NAN};
        return ir::eval_cast(DType::F64, t, ir::to_bits(edges[w % 11]));
      }
      return ir::canonical_value(t,
                                 (w & 1 ? UINT64_MAX >> 1 : uint64_t{1} << 63) >> (64 - bits(t)));
    default:
      return ir::canonical_value(t, w);
  }
}

/// n values in memory, at an odd offset from any vector boundary.
struct Array {
  DType t;
  std::vector<uint8_t> bytes;
  Array(DType type, size_t n) : t(type), bytes(itemsize(type) * (n + 1)) {}
  uint8_t* data() { return bytes.data() + itemsize(t); }
  uint64_t get(size_t i) {
    uint64_t v = 0;
    std::memcpy(&v, data() + i * itemsize(t), itemsize(t));
    return v;
  }
  void set(size_t i, uint64_t v) { std::memcpy(data() + i * itemsize(t), &v, itemsize(t)); }
  void fill(Random& random) {
    for (size_t i = 0; i + 1 < bytes.size() / itemsize(t); ++i) set(i, value(t, random));
  }
};

/// The loop against the evaluator on n elements, one scalar mask, one ISA.
void check_loop(Prim op, DType in, DType out, unsigned mask, runtime::Isa isa, size_t n) {
  runtime::LoopFn loop = runtime::find_loop(op, in, out, mask, isa);
  CAPTURE(name(op), name(in), name(out), mask, static_cast<int>(isa), n);
  REQUIRE(loop != nullptr);
  Random random;
  int arity = ir::arity(op);
  std::vector<Array> a;
  for (int i = 0; i < arity; ++i) {
    a.emplace_back(op == Prim::Select && i == 0 ? DType::Bool : in, mask >> i & 1 ? 1 : n);
    a.back().fill(random);
  }
  Array o(out, n + 1);
  o.set(n, ir::canonical_value(out, 1));
  runtime::LoopArgs args{static_cast<int64_t>(n), o.data(), {nullptr, nullptr, nullptr}};
  for (size_t i = 0; i < a.size(); ++i) args.in[i] = a[i].data();
  loop(args);
  for (size_t i = 0; i < n; ++i) {
    uint64_t v[3] = {};
    for (size_t k = 0; k < a.size(); ++k) v[k] = a[k].get(mask >> k & 1 ? 0 : i);
    uint64_t want = ir::canonical_value(out, ir::eval_prim(op, in, out, v));
    if (op == Prim::Bitcast) want = ir::canonical_value(out, v[0]);
    if (ir::canonical_value(out, o.get(i)) != want) {
      CAPTURE(i, v[0], v[1], v[2], o.get(i), want);
      FAIL("the loop differs from the evaluator");
    }
  }
  REQUIRE(o.get(n) == ir::canonical_value(out, 1));
}

template <class F>
void for_each_primitive(F&& f) {
  for (int p = static_cast<int>(Prim::Add); p < ir::kPrimCount; ++p) {
    Prim op = static_cast<Prim>(p);
    if (ir::is_func(op) || op == Prim::Cast || op == Prim::Bitcast) continue;
    for (DType t : kTypes) {
      if (op != Prim::Select && !contains(ir::info(op).types, t)) continue;
      f(op, t, ir::result_dtype(op, t, t));
    }
  }
}

std::vector<unsigned> masks(Prim op) {
  if (op == Prim::Select) return {0, 2, 4, 6};
  if (ir::arity(op) == 3) return {0, 1, 2, 3, 4, 5, 6};
  if (ir::arity(op) == 2) return {0, 1, 2};
  return {0};
}

}  // namespace

TEST_CASE("every primitive loop equals the evaluator on every instruction set", "[loops]") {
  for (runtime::Isa isa : isas()) {
    for_each_primitive([&](Prim op, DType t, DType r) {
      for (unsigned mask : masks(op)) check_loop(op, t, r, mask, isa, 203);
    });
  }
}

TEST_CASE("loops stop at their length for every remainder", "[loops]") {
  for (runtime::Isa isa : isas()) {
    for (size_t n = 0; n < 70; ++n) {
      check_loop(Prim::Add, DType::F32, DType::F32, 0, isa, n);
      check_loop(Prim::Lt, DType::I16, DType::Bool, 2, isa, n);
      check_loop(Prim::Max, DType::F64, DType::F64, 1, isa, n);
      check_loop(Prim::Exp, DType::F32, DType::F32, 0, isa, n);
      check_loop(Prim::Sin, DType::F64, DType::F64, 0, isa, n);
    }
  }
}

TEST_CASE("loops over whole vectors do their last elements in every item size", "[loops]") {
  for (runtime::Isa isa : isas()) {
    for (size_t n = 0; n < 140; ++n) {
      check_loop(Prim::Cast, DType::F64, DType::U8, 0, isa, n);
      check_loop(Prim::Cast, DType::F32, DType::I16, 0, isa, n);
      check_loop(Prim::Cast, DType::F32, DType::Bool, 0, isa, n);
      check_loop(Prim::Div, DType::I16, DType::I16, 1, isa, n);
      check_loop(Prim::Rem, DType::U8, DType::U8, 2, isa, n);
      check_loop(Prim::Div, DType::F32, DType::F32, 2, isa, n);
      check_loop(Prim::Sqrt, DType::F64, DType::F64, 0, isa, n);
      check_loop(Prim::Lt, DType::F32, DType::Bool, 1, isa, n);
      check_loop(Prim::Select, DType::F64, DType::F64, 4, isa, n);
      for (unsigned mask : {0u, 1u, 2u})
        check_loop(Prim::Pow, DType::F32, DType::F32, mask, isa, n);
      for (unsigned mask : {0u, 3u}) {
        check_loop(Prim::Philox, DType::U64, DType::U32, mask, isa, n);
        check_loop(Prim::Philox64, DType::U64, DType::U64, mask, isa, n);
      }
    }
  }
}

TEST_CASE("every pair of types converts as the evaluator does", "[loops]") {
  for (runtime::Isa isa : isas()) {
    for (DType from : kTypes) {
      for (DType to : kTypes) {
        check_loop(Prim::Cast, from, to, 0, isa, 203);
        if (!is_bool(from) && !is_bool(to) && bits(from) == bits(to)) {
          check_loop(Prim::Bitcast, from, to, 0, isa, 203);
        }
      }
    }
  }
}

TEST_CASE("a loop may write over its input", "[loops]") {
  for (runtime::Isa isa : isas()) {
    std::vector<float> x(1000), want(1000);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0.01f - 5;
    for (Prim op : {Prim::Neg, Prim::Exp, Prim::Tanh, Prim::Cos}) {
      std::vector<float> y = x;
      runtime::LoopFn loop = runtime::find_loop(op, DType::F32, DType::F32, 0, isa);
      loop({1000, want.data(), {x.data(), nullptr, nullptr}});
      loop({1000, y.data(), {y.data(), nullptr, nullptr}});
      CHECK(std::memcmp(y.data(), want.data(), 4000) == 0);
    }
  }
}

TEST_CASE("spread repeats each element of every size", "[loops]") {
  for (runtime::Isa isa : isas()) {
    uint64_t words[3] = {0x0102030405060708, 0x1112131415161718, 0x2122232425262728};
    for (size_t size : {1, 2, 4, 8}) {
      for (int64_t n : {1, 3, 16, 70}) {
        std::vector<std::byte> in(3 * size), out(3 * size * static_cast<size_t>(n));
        for (size_t i = 0; i < 3; ++i) std::memcpy(&in[i * size], &words[i], size);
        runtime::copy_loops(size, isa)->spread(out.data(), in.data(), n, 3);
        for (size_t i = 0; i < 3 * static_cast<size_t>(n); ++i) {
          REQUIRE(std::memcmp(&out[i * size], &in[i / static_cast<size_t>(n) * size], size) == 0);
        }
      }
    }
  }
}

TEST_CASE("what has no loop says so", "[loops]") {
  runtime::Isa isa = runtime::Isa::Generic;
  CHECK(runtime::find_loop(Prim::Add, DType::F32, DType::F32, 3, isa) == nullptr);
  CHECK(runtime::find_loop(Prim::Add, DType::F32, DType::F64, 0, isa) == nullptr);
  CHECK(runtime::find_loop(Prim::Sqrt, DType::I32, DType::I32, 0, isa) == nullptr);
  CHECK(runtime::find_loop(Prim::Rem, DType::F32, DType::F32, 0, isa) == nullptr);
  CHECK(runtime::find_loop(Prim::Load, DType::F32, DType::F32, 0, isa) == nullptr);
  CHECK(runtime::find_loop(Prim::Add, DType::BF16, DType::BF16, 0, isa) == nullptr);
  CHECK(runtime::find_loop(Prim::Exp, DType::C64, DType::C64, 0, isa) == nullptr);
  CHECK(runtime::find_loop(Prim::Cast, DType::F32, DType::F16, 0, isa) == nullptr);
  CHECK(runtime::lane_loops(runtime::LaneOp::Sum, DType::Bool, isa) == nullptr);
  CHECK(runtime::copy_loops(16, isa) == nullptr);
}

namespace {

/// The canonical order, spelled out: lanes by i mod 64, folds 32, 16, ..., 1, absent lanes skipped.
template <class T, class F>
T canonical(const std::vector<T>& x, T identity, F&& op) {
  std::vector<T> lane(64, identity);
  std::vector<bool> there(64, false);
  for (size_t i = 0; i < x.size(); ++i) {
    lane[i % 64] = there[i % 64] ? op(lane[i % 64], x[i]) : x[i];
    there[i % 64] = true;
  }
  for (size_t w = 32; w > 0; w /= 2) {
    for (size_t j = 0; j < w; ++j) {
      if (!there[j + w]) continue;
      lane[j] = there[j] ? op(lane[j], lane[j + w]) : lane[j + w];
      there[j] = true;
    }
  }
  return lane[0];
}

template <class T>
T scalar_op(runtime::LaneOp op, T a, T b) {
  Prim p = op == runtime::LaneOp::Sum    ? Prim::Add
           : op == runtime::LaneOp::Prod ? Prim::Mul
           : op == runtime::LaneOp::Max  ? Prim::Max
                                         : Prim::Min;
  uint64_t in[] = {ir::to_bits(a), ir::to_bits(b), 0};
  return ir::from_bits<T>(ir::eval_prim(p, dtype_of<T>, dtype_of<T>, in));
}

template <class T>
void check_lanes(runtime::Isa isa) {
  Random random;
  DType t = dtype_of<T>;
  for (runtime::LaneOp op :
       {runtime::LaneOp::Sum, runtime::LaneOp::Prod, runtime::LaneOp::Max, runtime::LaneOp::Min}) {
    const runtime::LaneLoops* loops = runtime::lane_loops(op, t, isa);
    REQUIRE(loops != nullptr);
    for (size_t n : {0, 1, 2, 5, 31, 32, 33, 63, 64, 65, 100, 128, 200, 1000, 4096}) {
      std::vector<T> x(n);
      for (T& v : x) v = ir::from_bits<T>(value(t, random));
      if (std::is_floating_point_v<T> && n % 2 == 0) {
        // Without NaN and infinities, so that sums mean something.
        for (T& v : x) v = static_cast<T>(static_cast<double>(random.next() >> 11) * 0x1p-50 - 1);
      }
      alignas(64) T acc[64];
      loops->init(acc);
      T identity = acc[0];
      size_t head = n >= 128 ? 64 : 0;
      loops->step(acc, x.data(), static_cast<int64_t>(head));
      loops->step(acc, x.data() + head, static_cast<int64_t>(n - head));
      loops->fold(acc, static_cast<int64_t>(n < 64 ? n : 64));
      T want = canonical(x, identity, [&](T a, T b) { return scalar_op(op, a, b); });
      CAPTURE(static_cast<int>(op), name(t), n, static_cast<int>(isa));
      REQUIRE(ir::canonical_value(t, ir::to_bits(acc[0])) ==
              ir::canonical_value(t, ir::to_bits(want)));
      if (n == 0) continue;
      // The same at once, for the row between two others.
      std::vector<T> rows(3 * n, static_cast<T>(1));
      std::copy(x.begin(), x.end(), rows.begin() + static_cast<std::ptrdiff_t>(n));
      T out[3];
      loops->rows(out, rows.data(), static_cast<int64_t>(n), 3);
      REQUIRE(ir::canonical_value(t, ir::to_bits(out[1])) ==
              ir::canonical_value(t, ir::to_bits(want)));
      REQUIRE(ir::to_bits(out[0]) == ir::to_bits(out[2]));
    }
  }
}

template <class T>
void check_args(runtime::Isa isa) {
  Random random;
  DType t = dtype_of<T>;
  for (bool largest : {true, false}) {
    const runtime::ArgLoops* loops =
        runtime::arg_loops(largest ? runtime::LaneOp::Max : runtime::LaneOp::Min, t, isa);
    for (size_t n : {1, 2, 7, 63, 64, 65, 200, 1000}) {
      std::vector<T> x(n);
      for (T& v : x) v = static_cast<T>(static_cast<int>(random.next() % 6));
      if (std::is_floating_point_v<T> && n % 3 == 1) x[n / 2] = x[n - 1] = static_cast<T>(NAN);
      if (n == 63) {
        for (T& v : x)
          v = largest ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
      }
      size_t want = 0;
      for (size_t i = 1; i < n; ++i) {
        if (x[want] != x[want]) break;
        if (x[i] != x[i] || (largest ? x[i] > x[want] : x[i] < x[want])) want = i;
      }
      T values[64];
      int64_t indices[64];
      loops->init(values, indices);
      size_t head = n > 128 ? 128 : 0;
      loops->step(values, indices, x.data(), static_cast<int64_t>(head), 10);
      loops->step(values, indices, x.data() + head, static_cast<int64_t>(n - head),
                  static_cast<int64_t>(10 + head));
      loops->fold(values, indices, static_cast<int64_t>(n < 64 ? n : 64));
      CAPTURE(name(t), n, largest, static_cast<int>(isa));
      REQUIRE(indices[0] == static_cast<int64_t>(want + 10));
    }
  }
}

}  // namespace

TEST_CASE("reductions follow the canonical order on every instruction set", "[loops]") {
  for (runtime::Isa isa : isas()) {
    check_lanes<float>(isa);
    check_lanes<double>(isa);
    check_lanes<int8_t>(isa);
    check_lanes<uint16_t>(isa);
    check_lanes<int32_t>(isa);
    check_lanes<uint64_t>(isa);
    check_lanes<int64_t>(isa);
  }
}

TEST_CASE("the empty sum of lanes is the identity -0 and any and all start right", "[loops]") {
  float acc[64];
  runtime::lane_loops(runtime::LaneOp::Sum, DType::F32, runtime::Isa::Generic)->init(acc);
  CHECK(std::signbit(acc[17]));
  uint8_t any[64], all[64], data[70] = {};
  for (runtime::Isa isa : isas()) {
    auto* a = runtime::lane_loops(runtime::LaneOp::Max, DType::Bool, isa);
    auto* b = runtime::lane_loops(runtime::LaneOp::Min, DType::Bool, isa);
    data[69] = 1;
    a->init(any), b->init(all);
    a->step(any, data, 70), b->step(all, data, 70);
    a->fold(any, 64), b->fold(all, 64);
    CHECK(any[0] == 1);
    CHECK(all[0] == 0);
  }
}

TEST_CASE("argmax and argmin take the first of equals and prefer NaN", "[loops]") {
  for (runtime::Isa isa : isas()) {
    check_args<float>(isa);
    check_args<double>(isa);
    check_args<int8_t>(isa);
    check_args<uint8_t>(isa);
    check_args<int32_t>(isa);
    check_args<int64_t>(isa);
    check_args<uint64_t>(isa);
  }
}

TEST_CASE("strided copies gather and scatter every item size", "[loops]") {
  for (runtime::Isa isa : isas()) {
    for (size_t size : {1, 2, 4, 8}) {
      const runtime::CopyLoops* loops = runtime::copy_loops(size, isa);
      std::vector<uint8_t> data(size * 300), row(size * 100), back(size * 300);
      for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * 7);
      for (int64_t stride : {1, 2, 3, -2, 0}) {
        uint8_t* start = data.data() + (stride < 0 ? 250 * size : 0);
        uint8_t* end = back.data() + (stride < 0 ? 250 * size : 0);
        loops->gather(row.data(), start, 100, stride);
        for (int64_t i = 0; i < 100; ++i) {
          REQUIRE(std::memcmp(row.data() + static_cast<size_t>(i) * size,
                              start + i * stride * static_cast<int64_t>(size), size) == 0);
        }
        if (stride == 0) continue;
        loops->scatter(end, row.data(), 100, stride);
        for (int64_t i = 0; i < 100; ++i) {
          int64_t at = i * stride * static_cast<int64_t>(size);
          REQUIRE(std::memcmp(end + at, start + at, size) == 0);
        }
      }
    }
  }
}

TEST_CASE("random words are the same one by one and by the block", "[loops]") {
  for (runtime::Isa isa : isas()) {
    for (uint64_t first : {uint64_t{0}, uint64_t{3}, (uint64_t{1} << 34) - 5}) {
      std::vector<uint32_t> words(137);
      runtime::philox_words(42, 7, first, 137, words.data(), isa);
      std::vector<uint64_t> index(137), wide(137);
      for (size_t i = 0; i < 137; ++i) index[i] = first + i;
      uint64_t seed = 42, ordinal = 7;
      std::vector<uint32_t> loop(137);
      runtime::LoopArgs args{137, loop.data(), {&seed, &ordinal, index.data()}};
      runtime::find_loop(Prim::Philox, DType::U64, DType::U32, 3, isa)(args);
      CHECK(loop == words);
      args.out = wide.data();
      runtime::find_loop(Prim::Philox64, DType::U64, DType::U64, 3, isa)(args);
      for (size_t i = 0; i < 137; ++i) {
        uint64_t in[] = {seed, ordinal, first + i};
        REQUIRE(words[i] == ir::eval_prim(Prim::Philox, DType::U64, DType::U32, in));
        REQUIRE(wide[i] == ir::eval_prim(Prim::Philox64, DType::U64, DType::U64, in));
      }
    }
  }
}
