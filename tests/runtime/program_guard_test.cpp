// Guards of programs: what the recorded course depends on is checked before anything is committed.
#include <catch2/catch.hpp>

#include "passes/pipeline.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::runtime;
using namespace etch::test;

TEST_CASE("a guard that does not hold leaves the state alone and names both values") {
  ir::Graph g = graph(R"text(
    %x = input "x" : f32[3]
    %n = state "n" : f32[3]
    %k = input "k" : u8[]
    %s = sum(%x) {axes=[0], keepdims=false} : f32[]
    %z = constant [0x0] : f32[]
    %p = gt(%s, %z) : bool[]
    %m = add(%n, %x) : f32[3]
    result "y" = %m
    result "gt(sum, 0)" = %p guard [1, 1] at "net.cpp":12
    result "n" = %m -> state 1
    result "k" = %k guard [3, 250] at "net.cpp":14
  )text");
  CHECK(ir::same_graph(ir::parse(ir::print(g)), g));
  for (bool optimised : {false, true}) {
    ir::Graph h = g;
    if (optimised) passes::optimize(h, {});
    Program p = Program::build(h);
    REQUIRE(p.guards().size() == 2);
    CHECK(p.outputs().size() == 1);
    Context c(p);
    State s;
    s.set("n", tensor<float>({0, 0, 0}));
    auto k = [](uint8_t v) { return scalar_tensor(v, DType::U8); };
    const Tensor good[] = {tensor<float>({1, 2, 3}), k(250)};
    CHECK(p.run(s, c, good)[0].to_vector<float>() == std::vector<float>{1, 2, 3});
    std::vector<Tensor> out;
    const Tensor negative[] = {tensor<float>({-1, -2, -3}), k(3)};
    std::optional<GuardMiss> miss = p.try_run(s, c, negative, out);
    REQUIRE(miss);
    CHECK(miss->guard == 0);
    CHECK(miss->value == 0);
    CHECK(out.empty());
    const Tensor small[] = {tensor<float>({1, 1, 1}), k(2)};
    miss = p.try_run(s, c, small, out);
    REQUIRE(miss);
    CHECK(miss->guard == 1);
    CHECK(miss->value == 2);
    CHECK(s.get("n").to_vector<float>() == std::vector<float>{1, 2, 3});
    CHECK_THROWS_WITH(p.run(s, c, negative), Catch::Contains("gt(sum, 0) = 1, now it is 0") &&
                                                 Catch::Contains("net.cpp:12"));
    CHECK_THROWS_WITH(p.run(s, c, small), Catch::Contains("3 to 250, now it is 2"));
    CHECK(s.get("n").to_vector<float>() == std::vector<float>{1, 2, 3});
    CHECK_FALSE(p.try_run(s, c, good, out));
    CHECK(s.get("n").to_vector<float>() == std::vector<float>{2, 4, 6});
  }
}

TEST_CASE("guards see the whole range of every integer type") {
  for (auto [type, low, high] : {std::tuple{"i64", "-9223372036854775808", "-1"},
                                 {"u64", "9223372036854775807", "9223372036854775807"},
                                 {"i8", "-128", "-128"},
                                 {"bool", "1", "1"}}) {
    ir::Graph g = graph(
        cat("%k = input \"k\" : ", type, "[]\nresult \"k\" = %k guard [", low, ", ", high, "]\n"));
    Program p = Program::build(g);
    Context c(p);
    State none;
    std::vector<Tensor> out;
    DType t = p.inputs()[0].type.dtype;
    const uint64_t bits = t == DType::Bool ? 1 : t == DType::I8 ? 0x80 : ~uint64_t{0};
    Tensor held = from_bytes(&bits, {}, t), zero = scalar_tensor(0, t);
    CHECK_FALSE(p.try_run(none, c, {&held, 1}, out));
    CHECK(p.try_run(none, c, {&zero, 1}, out)->value == 0);
  }
}
