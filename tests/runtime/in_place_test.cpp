// New state values written straight over the old ones: when, and that nothing can tell.
#include "runtime/program/in_place.h"

#include <catch2/catch.hpp>

#include <tuple>

#include "codegen/program_source.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
#include "passes/pipeline.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::test;

namespace {

const void* address(const State& s, std::string_view name) {
  return impl(s.at(static_cast<size_t>(s.find(name)))).data;
}

std::vector<float> values(const State& s, std::string_view name) {
  return s.get(name).to_vector<float>();
}

const std::string kStep = R"(
  %x = input "x" : f32[3]
  %w = state "w" : f32[3]
  %y = mul(%w, %x) : f32[3]
  %v = sub(%w, %y) : f32[3]
  result "y" = %y
  result "w" = %v -> state 1
)";

}  // namespace

TEST_CASE("a last update goes over the old value unless somebody holds it") {
  Program p = Program::build(graph(kStep));
  Context c(p);
  State s;
  s.set("w", tensor<float>({1, 2, 3}));
  const void* before = address(s, "w");
  Tensor x = tensor<float>({2, 2, 2});
  CHECK(p.run(s, c, {&x, 1})[0].to_vector<float>() == std::vector<float>{2, 4, 6});
  CHECK(address(s, "w") == before);
  CHECK(values(s, "w") == std::vector<float>{-1, -2, -3});
  CHECK(s.version(0) == 2);
  Tensor held = s.at(0);
  p.run(s, c, {&x, 1});
  CHECK(address(s, "w") != before);
  CHECK(held.to_vector<float>() == std::vector<float>{-1, -2, -3});
  CHECK(values(s, "w") == std::vector<float>{1, 2, 3});
}

TEST_CASE("an attached tensor is read and written where it is") {
  for (bool in_place : {true, false}) {
    // A later reader of the old value keeps the update from going over it.
    std::string text = kStep;
    if (!in_place) text.insert(text.find("  result"), "  %z = exp(%w) : f32[3]\n");
    if (!in_place) text += "  result \"z\" = %z\n";
    Program p = Program::build(graph(text));
    CHECK(p.plan().nexts_in_place[0] == in_place);
    Context c(p);
    Tensor w = tensor<float>({1, 2, 3}), x = tensor<float>({2, 2, 2});
    State s;
    s.attach("w", w);
    p.run(s, c, {&x, 1});
    CHECK(w.to_vector<float>() == std::vector<float>{-1, -2, -3});
    CHECK(address(s, "w") == w.raw_data());
    CHECK(s.clone().get("w").to_vector<float>() == w.to_vector<float>());
  }
}

TEST_CASE("before anything that can fail, nothing is overwritten") {
  // The index is checked when it is read, after the update in the order of the graph.
  Program p = Program::build(graph(R"(
    %i = input "i" : i64[1]
    %w = state "w" : f32[3]
    %v = add(%w, %w) : f32[3]
    %g = index_select(%v, %i) {axis=0} : f32[1]
    result "g" = %g
    result "w" = %v -> state 1
  )"));
  CHECK_FALSE(p.plan().nexts_in_place[0]);
  Context c(p);
  State s;
  s.set("w", tensor<float>({1, 2, 3}));
  Tensor bad = tensor<int64_t>({7}), good = tensor<int64_t>({2});
  CHECK_THROWS_AS(p.run(s, c, {&bad, 1}), UserError);
  CHECK(values(s, "w") == std::vector<float>{1, 2, 3});
  CHECK(p.run(s, c, {&good, 1})[0].to_vector<float>() == std::vector<float>{6});

  // A guard that is known before the update stops it.
  Program q = Program::build(graph(R"(
    %x = input "x" : f32[3]
    %w = state "w" : f32[3]
    %s = sum(%x) {axes=[0], keepdims=false} : f32[]
    %z = constant [0x0] : f32[]
    %p = gt(%s, %z) : bool[]
    %v = add(%w, %x) : f32[3]
    result "p" = %p guard [1, 1]
    result "w" = %v -> state 1
  )"));
  CHECK(q.plan().nexts_in_place[0]);
  Context d(q);
  std::vector<Tensor> out;
  Tensor up = tensor<float>({1, 1, 1}), down = tensor<float>({-1, -1, -1});
  CHECK(q.try_run(s, d, {&down, 1}, out));
  CHECK(values(s, "w") == std::vector<float>{2, 4, 6});
  CHECK_FALSE(q.try_run(s, d, {&up, 1}, out));
  CHECK(values(s, "w") == std::vector<float>{3, 5, 7});
}

TEST_CASE("what was checked before fails no more, so updates in between go over the old value") {
  // A look-up, an update, and the look-up's gradient, in the order of the graph.
  auto program = [](const std::string& indices, int rows) {
    return Program::build(graph(cat(R"(
      %i = input "i" : i64[2]
      %j = input "j" : i64[2]
      %w = state "w" : f32[3, 2]
      %v = state "v" : f32[3, 2]
      %r = index_select(%w, %i) {axis=0} : f32[2, 2]
      %n = add(%v, %v) : f32[3, 2]
      %c = concat(%r, %n) {axis=0} : f32[5, 2]
      %g = index_add(%r, %)",
                                    indices, ") {axis=0, size=[", rows, "]} : f32[", rows, R"(, 2]
      result "g" = %g
      result "c" = %c
      result "v" = %n -> state 3
    )")));
  };
  Program p = program("i", 3);
  CHECK(p.plan().nexts_in_place[0]);
  CHECK_FALSE(program("j", 3).plan().nexts_in_place[0]);  // other indices
  CHECK_FALSE(program("i", 2).plan().nexts_in_place[0]);  // into fewer
  Context c(p);
  State s;
  s.set("w", ones({3, 2}));
  s.set("v", ones({3, 2}));
  Tensor bad = tensor<int64_t>({0, 3}), good = tensor<int64_t>({2, -1});
  const Tensor wrong[] = {bad, good}, right[] = {good, bad};
  CHECK_THROWS_AS(p.run(s, c, wrong), UserError);
  CHECK(values(s, "v") == std::vector<float>(6, 1));
  std::vector<Tensor> out = p.run(s, c, right);
  CHECK(out[0].to_vector<float>() == std::vector<float>{0, 0, 0, 0, 2, 2});
  CHECK(values(s, "v") == std::vector<float>(6, 2));
}

TEST_CASE("updates that read each other give the same bits in place and aside") {
  std::mt19937 rng(5);
  size_t overwritten = 0;
  codegen::CompileSettings settings;
  settings.strict = true;
  for (int round = 0; round < 120; ++round) {
    ir::Graph g;
    ir::GraphEmitter emit(g);
    const Shape shape = round % 3 == 0 ? Shape{Dim(5), Dim(7)} : Shape{Dim(600)};
    std::vector<ir::Var> pool;
    const size_t states = 2 + rng() % 3;
    for (size_t k = 0; k < states; ++k) {
      pool.push_back(emit.var(g.add_input(cat("s", k), {DType::F32, shape}, ir::InputKind::State)));
    }
    for (int i = 0; i < 8; ++i) {
      ir::Var a = pool[rng() % pool.size()], b = pool[rng() % pool.size()];
      switch (rng() % 4) {
        case 0:
          pool.push_back(a * b);
          break;
        case 1:
          pool.push_back(a + b);
          break;
        case 2:
          pool.push_back(a - b);
          break;
        default:
          pool.push_back(a * 0.5);
      }
    }
    for (size_t k = 0; k < states; ++k) {
      ir::Var v = pool[states + rng() % (pool.size() - states)];
      g.add_result(ir::GraphEmitter::value(v), cat("s", k), static_cast<int>(k));
    }
    passes::optimize(g, {});
    codegen::CompiledKernels kernels(settings);
    const bool native = round % 2 == 0;
    Program p = Program::build(g, {.kernels = native ? &kernels : nullptr, .strict = native});
    for (bool b : p.plan().nexts_in_place) overwritten += b;
    State aside, over;
    for (size_t k = 0; k < states; ++k) {
      const Sizes sizes = shape_eval(shape, {});
      Tensor t = random_f32({sizes.begin(), sizes.end()}, rng());
      aside.set(cat("s", k), t);
      over.set(cat("s", k), t);
    }
    Context c(p);
    for (int run = 0; run < 2; ++run) {
      std::vector<Tensor> held;
      for (size_t k = 0; k < states; ++k) held.push_back(aside.at(k));
      p.run(aside, c, {});
      p.run(over, c, {});
      for (size_t k = 0; k < states; ++k) {
        std::vector<float> x = values(aside, cat("s", k)), y = values(over, cat("s", k));
        REQUIRE(std::memcmp(x.data(), y.data(), x.size() * 4) == 0);
      }
    }
  }
  CHECK(overwritten > 60);
}

TEST_CASE("updates by sums give the same bits in place and aside") {
  std::mt19937 rng(6);
  size_t overwritten = 0;
  codegen::CompileSettings settings;
  settings.strict = true;
  for (int round = 0; round < 120; ++round) {
    // Rows or columns of x are summed: what a bias gets from its gradient.
    const bool columns = round % 3 != 0;
    // Now and then few of many, so that threads share one sum.
    const bool shared = round % 13 < 2;
    int64_t wide = round % 5 == 0 ? 300 : 7, high = round % 7 == 0 ? 5000 : 9;
    if (shared) std::tie(wide, high) = std::pair<int64_t, int64_t>(2, 120000);
    if (shared && !columns) std::swap(wide, high);
    const int64_t size = columns ? wide : high;
    ir::Graph g;
    ir::GraphEmitter emit(g);
    const Shape shape = {Dim(size)};
    ir::Var x = emit.var(g.add_input("x", {DType::F32, {Dim(high), Dim(wide)}}));
    std::vector<ir::Var> pool;
    const size_t states = 2 + rng() % 3;
    for (size_t k = 0; k < states; ++k) {
      pool.push_back(emit.var(g.add_input(cat("s", k), {DType::F32, shape}, ir::InputKind::State)));
    }
    auto any = [&] { return pool[rng() % pool.size()]; };
    for (int i = 0; i < 8; ++i) {
      ir::Var a = any();
      ir::Var along = columns ? a : ir::op<ir::Unsqueeze>({{1}}, a);
      const Axes axis = {columns ? 0 : 1};
      switch (rng() % 5) {
        case 0:
          pool.push_back(ir::op<ir::Sum>({axis, false}, x * along));
          break;
        case 1:
          pool.push_back(ir::op<ir::Sum>({axis, false}, x) * 0.01 + a);
          break;
        case 2:
          pool.push_back(a * 0.5);
          break;
        case 3:
          pool.push_back(a + any());
          break;
        default:
          pool.push_back(a - any() * 0.25);
      }
    }
    for (size_t k = 0; k < states; ++k) {
      ir::Var v = pool[states + rng() % (pool.size() - states)];
      g.add_result(ir::GraphEmitter::value(v), cat("s", k), static_cast<int>(k + 1));
    }
    passes::optimize(g, {});
    codegen::CompiledKernels kernels(settings);
    const bool native = round % 2 == 0;
    Program p = Program::build(g, {.kernels = native ? &kernels : nullptr, .strict = native});
    for (bool b : p.plan().nexts_in_place) overwritten += b;
    State aside, over;
    for (size_t k = 0; k < states; ++k) {
      Tensor t = random_f32({size}, rng());
      aside.set(cat("s", k), t);
      over.set(cat("s", k), t);
    }
    Context c(p);
    for (int run = 0; run < 2; ++run) {
      Tensor in = random_f32({high, wide}, rng());
      std::vector<Tensor> held;
      for (size_t k = 0; k < states; ++k) held.push_back(aside.at(k));
      p.run(aside, c, {&in, 1});
      p.run(over, c, {&in, 1});
      for (size_t k = 0; k < states; ++k) {
        std::vector<float> a = values(aside, cat("s", k)), b = values(over, cat("s", k));
        REQUIRE(std::memcmp(a.data(), b.data(), a.size() * 4) == 0);
      }
    }
  }
  CHECK(overwritten > 60);
}
