#include <catch2/catch.hpp>
#include <random>

#include "ir/ops/activation.h"
#include "ir/text.h"
#include "ir/verify.h"

using namespace etch;
using namespace etch::ir;

namespace {

const TensorType kVector{DType::F32, {Dim(3)}};

Value unary(Graph& g, const OpDef& op, Value x, NodeId before = kNoNode) {
  const Value in[] = {x};
  return {g.add_node(op, in, {}, {g.type(x)}, before), 0};
}
Value binary(Graph& g, const OpDef& op, Value a, Value b) {
  const Value in[] = {a, b};
  return {g.add_node(op, in, {}, {g.type(a)}), 0};
}

std::string lines(const Graph& g) {
  std::string out;
  for (NodeId id : g) out += print_node(g, id) + "\n";
  return out;
}

}  // namespace

TEST_CASE("inputs stay before all nodes, whenever they are added") {
  Graph g;
  Value x = g.add_input("x", kVector);
  unary(g, op_def<Relu>(), x);
  g.add_input("y", kVector, InputKind::State);
  REQUIRE(lines(g) ==
          "%0 = input \"x\" : f32[3]\n%2 = state \"y\" : f32[3]\n%1 = relu(%0) : f32[3]\n");
  verify(g);
}

TEST_CASE("an input added to a graph that already has nodes comes first") {
  Graph g;
  g.add_constant(make_constant(DType::F32, {}, std::make_shared<float>(1.0f)));
  g.add_input("x", kVector);
  verify(g);
}

TEST_CASE("replacing uses moves operands and results, and only those of that value") {
  Graph g;
  Value x = g.add_input("x", kVector);
  Value a = unary(g, op_def<Relu>(), x);
  Value b = unary(g, op_def<Neg>(), x);
  Value c = binary(g, op_def<Add>(), a, a);
  g.add_result(a, "a");
  g.add_result(c, "c");
  g.replace_uses(a, b);
  REQUIRE(g.node(c.node).inputs[0] == b);
  REQUIRE(g.node(c.node).inputs[1] == b);
  REQUIRE(g.results()[0].value == b);
  REQUIRE(g.results()[1].value == c);
  REQUIRE(g.node(a.node).uses.empty());
  verify(g);
  g.erase(a.node);
  REQUIRE(g.size() == 3);
  verify(g);
}

TEST_CASE("erasing a node that is still used is refused") {
  Graph g;
  Value x = g.add_input("x", kVector);
  Value a = unary(g, op_def<Relu>(), x);
  unary(g, op_def<Neg>(), a);
  REQUIRE_THROWS_AS(g.erase(a.node), InternalError);
  REQUIRE(g.size() == 3);
}

TEST_CASE("node ids are stable and never used again") {
  Graph g;
  Value x = g.add_input("x", kVector);
  Value a = unary(g, op_def<Relu>(), x);
  g.erase(a.node);
  Value b = unary(g, op_def<Relu>(), x);
  REQUIRE(b.node != a.node);
  REQUIRE(g.node(a.node).erased());
  REQUIRE(g.capacity() == 3);
}

TEST_CASE("the current node may be erased while looping") {
  Graph g;
  Value x = g.add_input("x", kVector);
  for (int i = 0; i < 5; ++i) unary(g, op_def<Relu>(), x);
  for (NodeId id : g) {
    if (!is_input(g.node(id))) g.erase(id);
  }
  REQUIRE(g.size() == 1);
  verify(g);
}

TEST_CASE("erasing an input renumbers the states that results are written to") {
  Graph g;
  g.add_input("x", kVector);
  Value w = g.add_input("w", kVector, InputKind::State);
  g.add_result(w, "w", 1);
  g.erase_input(0);
  REQUIRE(g.results()[0].state == 0);
  verify(g);
}

TEST_CASE("a copied graph shares nothing that can change") {
  Graph g;
  Value x = g.add_input("x", kVector);
  g.add_result(unary(g, op_def<Relu>(), x), "y");
  Graph copy = g;
  unary(copy, op_def<Neg>(), x);
  copy.rename_input(0, "z");
  REQUIRE(g.size() == 2);
  REQUIRE(g.inputs()[0].name == "x");
  verify(g);
  verify(copy);
}

TEST_CASE("inlining a body keeps its origins and maps its operands") {
  Graph body;
  body.set_origin(body.intern_scope("inner"), body.intern_loc("b.cpp", 3));
  Value a = body.add_input("a", kVector);
  Value b = body.add_input("b", kVector);
  body.add_result(binary(body, op_def<Sub>(), b, a), "r");
  Graph g;
  Value x = g.add_input("x", kVector);
  Value y = g.add_input("y", kVector);
  const Value operands[] = {x, y};
  std::vector<Value> r = inline_graph(g, body, operands);
  g.add_result(r.at(0), "r");
  verify(g);
  const Node& n = g.node(r[0].node);
  REQUIRE(n.inputs[0] == y);
  REQUIRE(n.inputs[1] == x);
  REQUIRE(g.scope(n.scope) == "inner");
  REQUIRE(g.loc(n.loc).line == 3);
}

TEST_CASE("bodies written over Var become nodes of the graph") {
  Graph g;
  GraphEmitter emitter(g);
  Var x = emitter.var(g.add_input("x", kVector));
  Var y = (x + 1.0) * x;
  g.add_result(GraphEmitter::value(y), "y");
  verify(g);
  REQUIRE(g.node(g.last()).op == &op_def<Mul>());
  REQUIRE(g.size() == 4);
}

TEST_CASE("random edits leave a sound graph after every step") {
  std::mt19937 rng(3);
  Graph g;
  std::vector<Value> values;
  for (int i = 0; i < 3; ++i) values.push_back(g.add_input(cat("x", i), kVector));
  auto pick = [&] { return values[rng() % values.size()]; };
  for (int step = 0; step < 400; ++step) {
    switch (rng() % 4) {
      case 0:
        values.push_back(unary(g, op_def<Relu>(), pick()));
        break;
      case 1:
        values.push_back(binary(g, op_def<Add>(), pick(), pick()));
        break;
      case 2: {  // operands may only move to earlier values: an input is always earlier
        Value v = pick();
        if (!is_input(g.node(v.node))) g.set_operand(v.node, 0, values[rng() % 3]);
        break;
      }
      default: {
        size_t i = 3 + rng() % values.size();
        if (i >= values.size()) break;
        g.replace_uses(values[i], values[rng() % 3]);
        g.erase(values[i].node);
        values.erase(values.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (step % 20 == 0) verify(g);
  }
  verify(g);
}
