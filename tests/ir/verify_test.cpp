#include <catch2/catch.hpp>

#include "ir/ops/activation.h"
#include "ir/ops/reduce.h"
#include "ir/text.h"
#include "ir/verify.h"

using namespace etch;
using namespace etch::ir;

namespace {

constexpr std::string_view kText = R"(etch.ir 1
fn @f "f" {
  %a = input "a" : f32[2, 3]
  %b = relu(%a) : f32[2, 3]
  result "b" = %b
}
graph "g" {
  %x = input "x" : f32[2, 3]
  %w = state "w" : f32[2, 3]
  %c = constant [0x3f800000] : f32[]
  %y = mul(%x, %c) : f32[2, 3]
  %z = fusion @f(%y) : f32[2, 3]
  %s = sum(%z) {axes=[1], keepdims=false} : f32[2]
  result "s" = %s
  result "w" = %z -> state 1
}
)";

const TensorType kMatrix{DType::F32, {Dim(2), Dim(3)}};

NodeId find(const Graph& g, std::string_view op) {
  for (NodeId id : g) {
    if (g.node(id).op->name() == op) return id;
  }
  return kNoNode;
}
Node& mutable_node(Graph& g, NodeId id) { return const_cast<Node&>(g.node(id)); }

/// The message that verify() gives after `damage`.
template <class F>
std::string problem_after(F damage) {
  Graph g = parse(kText);
  verify(g);
  damage(g);
  try {
    verify(g);
  } catch (const InternalError& e) {
    std::string text = e.what();
    try {
      verify_untrusted(g, "file");
    } catch (const UserError& u) {
      CHECK(u.kind() == ErrorKind::Unreadable);
      return text;
    }
    return "verify_untrusted accepts: " + text;
  }
  return "";
}

}  // namespace

TEST_CASE("a sound graph passes every rule, and each rule says why it is there") {
  Graph g = parse(kText);
  REQUIRE_NOTHROW(verify(g));
  for (const VerifyRule& rule : verify_rules()) {
    INFO(rule.name);
    CHECK_FALSE(rule.why.empty());
    CHECK(rule.check(g).empty());
  }
}

TEST_CASE("each kind of damage is found by the rule that is responsible for it") {
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, g.last()).next = g.first(); }),
             Catch::Contains("rule 'order'"));
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, g.last()).prev = g.first(); }),
             Catch::Contains("rule 'order'") && Catch::Contains("wrong back link"));
  CHECK_THAT(problem_after([](Graph& g) { g.move_before(find(g, "sum"), find(g, "fusion")); }),
             Catch::Contains("rule 'operands'") && Catch::Contains("computed after its use"));
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, find(g, "sum")).inputs[0].node = 999; }),
             Catch::Contains("rule 'operands'") && Catch::Contains("operand 0 does not exist"));
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, find(g, "sum")).inputs[0].index = 1; }),
             Catch::Contains("rule 'operands'") && Catch::Contains("does not exist"));
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, find(g, "sum")).inputs.clear(); }),
             Catch::Contains("rule 'operands'") && Catch::Contains("takes 1 to 1 operands, has 0"));
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, find(g, "mul")).uses.clear(); }),
             Catch::Contains("rule 'uses'") && Catch::Contains("entries"));
  CHECK_THAT(problem_after([](Graph& g) {
               auto& uses = mutable_node(g, find(g, "mul")).uses;
               uses.push_back(uses[0]);
             }),
             Catch::Contains("rule 'uses'") && Catch::Contains("twice"));
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, find(g, "mul")).uses[0].user = 999; }),
             Catch::Contains("rule 'uses'") && Catch::Contains("does not exist"));
  CHECK_THAT(problem_after([](Graph& g) { g.move_before(find(g, "constant"), g.first()); }),
             Catch::Contains("rule 'inputs'") && Catch::Contains("not in its place"));
  CHECK_THAT(problem_after([](Graph& g) { g.set_result(0, {999, 0}); }),
             Catch::Contains("rule 'results'") && Catch::Contains("result 0"));
  CHECK_THAT(problem_after([](Graph& g) { g.add_guard(g.inputs()[0].value, "x > 0", {1, 1}); }),
             Catch::Contains("rule 'results'") && Catch::Contains("not on one bool or integer"));
  CHECK_THAT(problem_after([](Graph& g) { g.add_result(g.inputs()[0].value, "t", 0); }),
             Catch::Contains("rule 'results'") && Catch::Contains("not a state"));
  CHECK_THAT(problem_after([](Graph& g) { g.add_result(g.inputs()[0].value, "t", 7); }),
             Catch::Contains("rule 'results'") && Catch::Contains("does not exist"));
  CHECK_THAT(problem_after([](Graph& g) { g.add_result(g.inputs()[0].value, "t", 1); }),
             Catch::Contains("rule 'results'") && Catch::Contains("written twice"));
  CHECK_THAT(problem_after([](Graph& g) { g.set_result(1, {find(g, "sum"), 0}); }),
             Catch::Contains("rule 'results'") && Catch::Contains("its state w is f32[2, 3]"));
  CHECK_THAT(
      problem_after([](Graph& g) { g.set_output_type(g.inputs()[0].value, {DType::F16, {}}); }),
      Catch::Contains("rule 'supported'") && Catch::Contains("not supported yet"));
  CHECK_THAT(problem_after([](Graph& g) {
               g.set_output_type(g.inputs()[0].value, {DType::F32, Shape(17, Dim(1))});
             }),
             Catch::Contains("rule 'supported'") && Catch::Contains("more than 16 axes"));
  CHECK_THAT(
      problem_after([](Graph& g) { mutable_node(g, find(g, "sum")).attrs = {}; }),
      Catch::Contains("rule 'attributes'") && Catch::Contains("has 0 attributes, the operator 2"));
  CHECK_THAT(
      problem_after([](Graph& g) { mutable_node(g, find(g, "constant")).constant = nullptr; }),
      Catch::Contains("rule 'constants'") && Catch::Contains("without a constant"));
  CHECK_THAT(problem_after([](Graph& g) {
               auto broken = std::make_shared<Constant>(*g.node(find(g, "constant")).constant);
               broken->bytes = 3;
               mutable_node(g, find(g, "constant")).constant = broken;
             }),
             Catch::Contains("rule 'constants'") && Catch::Contains("another length"));
  CHECK_THAT(problem_after([](Graph& g) { mutable_node(g, find(g, "fusion")).body = nullptr; }),
             Catch::Contains("rule 'fusions'") && Catch::Contains("without a fusion"));
  CHECK_THAT(problem_after(
                 [](Graph& g) { g.set_output_type({find(g, "mul"), 0}, {DType::F32, {Dim(6)}}); }),
             Catch::Contains("rule 'fusions'") && Catch::Contains("operand 0 has another type"));
  CHECK_THAT(problem_after(
                 [](Graph& g) { g.set_output_type({find(g, "sum"), 0}, {DType::F32, {Dim(3)}}); }),
             Catch::Contains("rule 'types'") && Catch::Contains("inference gives f32[2]"));
  CHECK_THAT(problem_after([](Graph& g) { g.symbols.push_back({Dim::symbol("N"), 5, 4}); }),
             Catch::Contains("rule 'symbols'") && Catch::Contains("empty range"));
}

TEST_CASE("damage inside a fusion body is found, and an unsound body is never walked") {
  CHECK_THAT(problem_after([](Graph& g) {
               auto body = std::make_shared<Graph>(*g.node(find(g, "fusion")).body);
               mutable_node(*body, body->last()).next = body->first();
               mutable_node(g, find(g, "fusion")).body = body;
             }),
             Catch::Contains("graph f breaks rule 'order'"));
}

TEST_CASE("types at the limits of rank, size and bytes are told apart from those beyond") {
  CHECK(type_problem({DType::F32, Shape(16, Dim(1))}).empty());
  CHECK_FALSE(type_problem({DType::F32, Shape(17, Dim(1))}).empty());
  CHECK(type_problem({DType::U8, {Dim((int64_t{1} << 61) - 1), Dim(4)}}).empty());
  CHECK_FALSE(type_problem({DType::U8, {Dim(int64_t{1} << 60), Dim(8)}}).empty());
  CHECK(type_problem({DType::F32, {Dim(0), Dim::symbol("N")}}).empty());
  CHECK_FALSE(type_problem({DType::F32, {Dim(-1)}}).empty());
  CHECK_FALSE(type_problem({DType::BF16, {}}).empty());
}
