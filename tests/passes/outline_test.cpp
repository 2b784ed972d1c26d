// Functions for what repeats: which pieces become calls, and that nothing can tell but the clock.
#include "passes/outline.h"

#include <catch2/catch.hpp>
#include <set>

#include "codegen/program_source.h"
#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/optim.h"
#include "etch/trace.h"
#include "ir/ops/all.h"
#include "passes/pipeline.h"
#include "passes/repeats.h"
#include "runtime/program/artifact.h"
#include "tests/runtime/program_support.h"

using namespace etch;
using namespace etch::ir;
using namespace etch::test;

namespace {

constexpr int64_t kWidth = 8;

passes::PassContext eager_to_call() {
  passes::PassContext c;
  c.least_call_us = 0;
  return c;
}

Graph outlined(const Graph& g) {
  std::optional<Graph> made = passes::outline(g, eager_to_call());
  Graph out = made ? std::move(*made) : g;
  verify(out);
  return out;
}

/// The functions that `g` calls, in order.
std::vector<GraphRef> called(const Graph& g) {
  std::vector<GraphRef> out;
  for (NodeId id : g) {
    if (g.node(id).op == &op_def<CallFunction>()) out.push_back(bodies_of(g.node(id)).front());
  }
  return out;
}
size_t distinct(const std::vector<GraphRef>& functions) {
  return std::set<GraphRef>(functions.begin(), functions.end()).size();
}

/// Builds a graph of layers: parameters are State.
class Net {
 public:
  Net() : emitter_(graph_) {}
  Var input(std::string name, std::vector<int64_t> sizes = {4, kWidth}) {
    return emitter_.var(graph_.add_input(std::move(name), {DType::F32, to_shape(sizes)}));
  }
  Var parameter(std::string name, std::vector<int64_t> sizes = {kWidth, kWidth}) {
    return emitter_.var(
        graph_.add_input(std::move(name), {DType::F32, to_shape(sizes)}, InputKind::State));
  }
  Var number(double v) {
    const Full::Attrs attrs{{}, make_number(DType::F32, v)};
    return emitter_.emit(op_def<Full>(), {}, &attrs).front();
  }
  /// What layers consist of here: a norm, a product with weights, more, and a way around it all.
  Var layer(const Var& x, const Var& w, double scale = 0.5) {
    Var mean = op<Mean>({.axes = {1}, .keepdims = true}, x);
    Var h = op<MatMul>(x - mean, w);
    h = op<Tanh>(h) * number(scale);
    h = op<Exp>(op<Neg>(h * h));
    return x + op<Sin>(h);
  }
  void scope(std::string_view path) { graph_.set_origin(graph_.intern_scope(path), 0); }
  void line(uint32_t n) { graph_.set_origin(0, graph_.intern_loc("model.cpp", n)); }
  Graph finish(std::vector<Var> results) {
    for (const Var& v : results) {
      graph_.add_result(GraphEmitter::value(v), cat("y", graph_.results().size()));
    }
    return graph_;
  }

 private:
  Graph graph_;
  GraphEmitter emitter_;
};

Graph stack(int layers) {
  Net net;
  Var x = net.input("x");
  std::vector<Var> w;
  for (int i = 0; i < layers; ++i) w.push_back(net.parameter(cat("w", i)));
  for (int i = 0; i < layers; ++i) {
    net.scope(cat("layers.", i, ".block"));
    x = net.layer(x, w[static_cast<size_t>(i)]);
  }
  return net.finish({x});
}

/// Programs of one graph: as it is, after all passes but outlining, and after all passes; the last
/// two interpreted and compiled.
struct Engines {
  std::vector<runtime::Program> programs;
  codegen::CompiledKernels kernels;

  explicit Engines(const Graph& g) {
    programs.push_back(runtime::Program::build(g));
    for (bool outline : {false, true}) {
      passes::PassOptions options;
      options.context = eager_to_call();
      options.verify_each = true;
      if (!outline) options.skip = {"outline"};
      const Graph done = passes::optimized(g, options);
      programs.push_back(runtime::Program::build(done));
      programs.push_back(runtime::Program::build(done, {.kernels = &kernels, .strict = true}));
    }
  }
  const runtime::Program& outlined() const { return programs[3]; }
  const runtime::Program& inlined() const { return programs[1]; }
};

runtime::State random_state(const Graph& g) {
  runtime::State s;
  uint32_t seed = 100;
  for (const GraphInput& in : g.inputs()) {
    if (in.kind != InputKind::State) continue;
    Sizes sizes = shape_eval(g.type(in.value).shape, {});
    s.set(in.name, random_f32({sizes.begin(), sizes.end()}, seed++));
  }
  return s;
}
std::vector<Tensor> random_inputs(const Graph& g) {
  std::vector<Tensor> out;
  for (const GraphInput& in : g.inputs()) {
    if (in.kind != InputKind::Input) continue;
    Sizes sizes = shape_eval(g.type(in.value).shape, {});
    out.push_back(random_f32({sizes.begin(), sizes.end()}, 7 + static_cast<uint32_t>(out.size())));
  }
  return out;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  const Tensor x = a.detach().clone(), y = b.detach().clone();
  const auto bytes = static_cast<size_t>(x.numel().value()) * itemsize(x.dtype());
  return x.dtype() == y.dtype() &&
         bytes == static_cast<size_t>(y.numel().value()) * itemsize(y.dtype()) &&
         (bytes == 0 || std::memcmp(x.raw_data(), y.raw_data(), bytes) == 0);
}

/// Every engine gives the bits of the graph as it is, run after run, in results and State.
void check_same_bits(const Graph& g, int runs = 2) {
  Engines engines(g);
  const std::vector<Tensor> inputs = random_inputs(g);
  std::vector<std::vector<Tensor>> wanted;
  runtime::State wanted_state = random_state(g);
  for (size_t p = 0; p < engines.programs.size(); ++p) {
    INFO("program " << p);
    runtime::Context context(engines.programs[p]);
    runtime::State state = random_state(g);
    for (int r = 0; r < runs; ++r) {
      const std::vector<Tensor> out = engines.programs[p].run(state, context, inputs);
      if (p == 0) {
        wanted.push_back(out);
        continue;
      }
      const std::vector<Tensor>& want = wanted[static_cast<size_t>(r)];
      REQUIRE(out.size() == want.size());
      for (size_t i = 0; i < out.size(); ++i) CHECK(same_bytes(out[i], want[i]));
    }
    if (p == 0) wanted_state = state;
    for (size_t i = 0; i < state.size(); ++i) CHECK(same_bytes(state.at(i), wanted_state.at(i)));
  }
}

}  // namespace

TEST_CASE("layers that repeat become calls of one function") {
  const Graph g = stack(6);
  const Graph out = outlined(g);
  const std::vector<GraphRef> functions = called(out);
  CHECK(functions.size() >= 5);
  CHECK(distinct(functions) == 1);
  CHECK(out.size() < g.size() / 2);
  CHECK(functions[0]->name == "layers.*.block");
  check_same_bits(g);
}

TEST_CASE("the source lines and scopes of a piece are those of its function") {
  Graph g = stack(4);
  const Graph out = outlined(g);
  const Graph& body = *called(out).at(0);
  for (NodeId id : body) {
    if (is_input(body.node(id)) || body.node(id).inputs.empty()) continue;
    CHECK(body.scope(body.node(id).scope).find("layers.") == 0);
  }
  // Lines tell apart what otherwise repeats: an error inside a function names one.
  for (bool by_hand : {false, true}) {
    Net net;
    Var x = net.input("x"), w = net.parameter("w");
    for (uint32_t i = 0; i < 5; ++i) {
      net.line(by_hand ? 10 + i : 10);
      x = net.layer(x, w);
    }
    CHECK(called(outlined(net.finish({x}))).empty() == by_hand);
  }
}

TEST_CASE("pieces with other attributes or shapes stay apart") {
  Net net;
  Var x = net.input("x"), w = net.parameter("w");
  for (int i = 0; i < 8; ++i) {
    x = net.layer(x, w);
    if (i == 3) x = op<Cos>(x);
  }
  const Graph g = net.finish({x});
  const std::vector<GraphRef> functions = called(outlined(g));
  CHECK(functions.size() >= 6);
  CHECK(distinct(functions) == 1);  // the same on both sides
  check_same_bits(g);

  Net wide;
  Var a = wide.input("a"), b = wide.input("b", {4, 2 * kWidth});
  Var v = wide.parameter("v"), u = wide.parameter("u", {2 * kWidth, 2 * kWidth});
  for (int i = 0; i < 4; ++i) a = wide.layer(a, v);
  for (int i = 0; i < 4; ++i) b = wide.layer(b, u);
  const Graph h = wide.finish({a, b});
  CHECK(distinct(called(outlined(h))) == 2);
  check_same_bits(h);
}

TEST_CASE("two kinds of layers by turns repeat in pairs") {
  Net net;
  Var x = net.input("x"), w = net.parameter("w"), v = net.parameter("v");
  for (int i = 0; i < 10; ++i) x = i % 2 == 0 ? net.layer(x, w) : op<Exp>(net.layer(op<Sin>(x), v));
  const Graph g = net.finish({x});
  const std::vector<GraphRef> functions = called(outlined(g));
  CHECK(functions.size() >= 4);
  CHECK(distinct(functions) == 1);
  check_same_bits(g);
}

TEST_CASE("equal numbers go into the function and others become operands") {
  for (bool vary : {false, true}) {
    Net net;
    Var x = net.input("x"), w = net.parameter("w");
    for (int i = 0; i < 5; ++i) x = net.layer(x, w, vary ? 0.25 * (i + 1) : 0.25);
    const Graph g = net.finish({x});
    const std::vector<GraphRef> functions = called(outlined(g));
    REQUIRE(functions.size() >= 4);
    CHECK(distinct(functions) == 1);
    CHECK(functions[0]->inputs().size() >= (vary ? 3u : 2u));
    size_t numbers = 0;
    for (NodeId id : *functions[0]) numbers += functions[0]->node(id).op == &op_def<Full>();
    CHECK(numbers == (vary ? 0u : 1u));
    check_same_bits(g);
  }
}

TEST_CASE("large constants are operands, shared or not") {
  for (bool shared : {false, true}) {
    Net net;
    Var x = net.input("x");
    Graph g = net.finish({});
    GraphEmitter e(g);
    Var at = e.var(GraphEmitter::value(x));
    Var w;
    Net help;
    for (int i = 0; i < 5; ++i) {
      if (i == 0 || !shared) {
        auto data = std::make_shared<std::vector<float>>(kWidth * kWidth);
        for (size_t k = 0; k < data->size(); ++k) (*data)[k] = 0.01f * static_cast<float>(k) - i;
        const Sizes sizes = {kWidth, kWidth};
        w = e.constant(
            make_constant(DType::F32, sizes, std::shared_ptr<const void>(data, data->data())));
      }
      at = op<MatMul>(at, w);
      for (int k = 0; k < 4; ++k) at = op<Tanh>(op<Exp>(at));
    }
    g.add_result(GraphEmitter::value(at), "y");
    const Graph out = outlined(g);
    REQUIRE(called(out).size() >= 4);
    for (NodeId id : *called(out)[0]) CHECK_FALSE(is_constant(called(out)[0]->node(id)));
    check_same_bits(g);
  }
}

TEST_CASE("windows on parameters go into the function, which takes the parameters") {
  Net net;
  Var x = net.input("x");
  std::vector<Var> w;
  for (int i = 0; i < 4; ++i) w.push_back(net.parameter(cat("w", i), {2, kWidth, kWidth}));
  for (int i = 0; i < 4; ++i) {
    Slice::Attrs half{.axis = 0, .range = {Dim(1), Dim(2)}};
    Var part = op<Slice>(half, w[static_cast<size_t>(i)]);
    Reshape::Attrs flat{{Dim(kWidth), Dim(kWidth)}};
    part = op<Permute>({.axes = {1, 0}}, op<Reshape>(flat, part));
    x = net.layer(x, part);
  }
  const Graph g = net.finish({x});
  const Graph out = outlined(g);
  REQUIRE(called(out).size() >= 3);
  bool whole = false;
  for (const GraphInput& in : called(out)[0]->inputs()) {
    whole |= called(out)[0]->type(in.value).rank() == 3;
  }
  CHECK(whole);
  size_t left = 0;
  for (NodeId id : out) left += out.node(id).op == &op_def<Permute>();
  CHECK(left == 4 - called(out).size());
  check_same_bits(g);
}

TEST_CASE("values that skip layers are results of the calls that make them") {
  Net net;
  Var x = net.input("x"), w = net.parameter("w");
  std::vector<Var> down;
  for (int i = 0; i < 6; ++i) {
    x = net.layer(x, w);
    down.push_back(x);
  }
  for (int i = 0; i < 6; ++i) {  // the far end first, as on the way up in a U-Net
    x = net.layer(x + down[static_cast<size_t>(5 - i)], w);
  }
  const Graph g = net.finish({x, down[2]});
  const std::vector<GraphRef> functions = called(outlined(g));
  CHECK(functions.size() >= 8);
  check_same_bits(g);
}

TEST_CASE("stages of layers become functions that call functions") {
  Net net;
  Var x = net.input("x"), w = net.parameter("w");
  for (int stage = 0; stage < 4; ++stage) {
    for (int i = 0; i < 5; ++i) x = net.layer(x, w);
    x = op<Sqrt>(op<Abs>(op<Log>(op<Abs>(op<Cos>(x)) + net.number(1))));
    x = op<MatMul>(x, w);
  }
  const Graph g = net.finish({x});
  const Graph out = outlined(g);
  const std::vector<GraphRef> functions = called(out);
  REQUIRE(functions.size() >= 3);
  CHECK(distinct(functions) == 1);
  const std::vector<GraphRef> inner = called(*functions[0]);
  CHECK(inner.size() >= 3);
  CHECK(distinct(inner) == 1);
  check_same_bits(g);
}

TEST_CASE("two repetitions, and little work, stay in line") {
  CHECK(called(outlined(stack(2))).empty());
  CHECK_FALSE(passes::outline(stack(6), {}).has_value());
  passes::PassContext context;
  context.least_call_us = 1e9;
  CHECK_FALSE(passes::outline(stack(6), context).has_value());
  Graph g = stack(6);
  passes::PassOptions options;
  options.context = eager_to_call();
  options.skip = {"outline"};
  CHECK(called(passes::optimized(g, options)).empty());
}

TEST_CASE("layers on few rows are left for batching") {
  for (int64_t rows : {1, 4, 64}) {
    Net net;
    Var x = net.input("x", {rows, 512}), w = net.parameter("w", {512, 512});
    for (int i = 0; i < 6; ++i) x = net.layer(x, w);
    CHECK(passes::outline(net.finish({x}), {}).has_value() == (rows == 64));
  }
}

TEST_CASE("no fusion is lost to a call: a pure chain stays, layers are cut at products") {
  Net net;
  Var x = net.input("x");
  for (int i = 0; i < 120; ++i) x = op<Sin>(x);
  passes::PassContext any_work;
  any_work.least_call_us = 1e-9;
  CHECK_FALSE(passes::outline(net.finish({x}), any_work).has_value());

  const Graph g = stack(6);
  Engines engines(g);
  uint64_t runs[2];
  for (bool outline : {false, true}) {
    const runtime::Program& p = outline ? engines.outlined() : engines.inlined();
    runtime::Context context(p);
    const runtime::State state = random_state(g);
    p.run(state, context, random_inputs(g));
    runs[outline] = p.stats().interpreted_runs;
  }
  CHECK(runs[1] == runs[0]);
}

TEST_CASE("weights stay packed through calls, each under its own contents") {
  const Graph g = stack(6);
  Engines engines(g);
  size_t bytes[2];
  for (bool outline : {false, true}) {
    const runtime::Program& p = outline ? engines.outlined() : engines.inlined();
    runtime::Context context(p);
    runtime::State state = random_state(g);
    const std::vector<Tensor> inputs = random_inputs(g);
    p.run(static_cast<const runtime::State&>(state), context, inputs);
    bytes[outline] = state.packed_bytes();
    // Another value for one layer's weights is seen, and only there.
    state.set("w3", random_f32({kWidth, kWidth}, 999));
    const Tensor again = p.run(static_cast<const runtime::State&>(state), context, inputs)[0];
    const runtime::Program raw = runtime::Program::build(g, {.pack_weights = false});
    runtime::Context other(raw);
    CHECK(same_bytes(again, raw.run(static_cast<const runtime::State&>(state), other, inputs)[0]));
    CHECK(state.packed_bytes() == bytes[outline]);
  }
  CHECK(bytes[0] != 0);
  CHECK(bytes[1] == bytes[0]);
}

TEST_CASE("updates of the State inside functions are written over the old values") {
  Net net;
  Var x = net.input("x", {kWidth, kWidth});
  std::vector<Var> w, m;
  for (int i = 0; i < 6; ++i) w.push_back(net.parameter(cat("w", i)));
  for (int i = 0; i < 6; ++i) m.push_back(net.parameter(cat("m", i)));
  Var rate = net.parameter("rate", {});
  std::vector<Var> next;
  for (size_t i = 0; i < 6; ++i) {
    Var g = op<Sin>(x * w[i]);
    Var moment = m[i] * net.number(0.9) + g * net.number(0.1);
    Var root = op<Sqrt>(op<Abs>(moment) + net.number(1e-6));
    next.push_back(w[i] - rate * (moment / root));
    next.push_back(moment);
  }
  Graph g = net.finish({});
  for (size_t i = 0; i < 6; ++i) {
    g.add_result(GraphEmitter::value(next[2 * i]), cat("w", i), static_cast<int>(1 + i));
    g.add_result(GraphEmitter::value(next[2 * i + 1]), cat("m", i), static_cast<int>(7 + i));
  }
  CHECK(called(outlined(g)).size() >= 5);
  check_same_bits(g, 3);
  Engines engines(g);
  for (bool b : engines.outlined().plan().nexts_in_place) CHECK(b);
  for (bool b : engines.inlined().plan().nexts_in_place) CHECK(b);
}

TEST_CASE("a function that reads an old value later does not write over it") {
  Net net;
  Var x = net.input("x", {kWidth, kWidth});
  std::vector<Var> w, next;
  for (int i = 0; i < 4; ++i) w.push_back(net.parameter(cat("w", i)));
  for (size_t i = 0; i < 4; ++i) {
    Var v = op<Sin>(op<Cos>(w[i] * x));
    next.push_back(v);
    x = op<Tanh>(op<MatMul>(op<Exp>(op<Neg>(op<Abs>(v))), w[i]));
    x = op<Sin>(x);
  }
  Graph g = net.finish({x});
  for (size_t i = 0; i < 4; ++i) {
    g.add_result(GraphEmitter::value(next[i]), cat("w", i), static_cast<int>(1 + i));
  }
  REQUIRE(called(outlined(g)).size() >= 3);
  check_same_bits(g, 3);
}

TEST_CASE("whole training steps with functions have the bits of those without") {
  Generator rng(3);
  auto encoder = std::make_shared<nn::TransformerEncoder>(
      5, 16, 2, rng,
      nn::TransformerOptions{
          .feedforward = 24, .dropout = 0.1, .batch_first = true, .norm_first = true});
  optim::Adam optimizer(encoder->parameters(), 1e-2, 0.9, 0.999, 1e-8, 0.01);
  TraceOptions options;
  options.state = encoder->state();
  options.state.insert(options.state.end(), optimizer.state().begin(), optimizer.state().end());
  options.state.push_back({"rng", rng.state()});
  FlatFunction step = [&](std::span<const Tensor> in) {
    Tensor loss = mean(square((*encoder)(in[0])));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    return std::vector<NamedTensor>{{"loss", loss.detach()}};
  };
  const Trace trace = trace_flat(step, {{"x", random_f32({2, 6, 16}, 5)}}, options);
  const std::vector<GraphRef> functions = called(outlined(trace.graph()));
  CHECK(functions.size() >= 9);  // forward, backward and updates
  CHECK(distinct(functions) >= 3);
  Engines engines(trace.graph());
  std::vector<Tensor> losses;
  for (size_t p = 0; p < engines.programs.size(); ++p) {
    INFO("program " << p);
    runtime::Context context(engines.programs[p]);
    runtime::State state;
    for (const NamedTensor& s : trace.state()) state.set(s.name, s.tensor);
    for (size_t i = 0; i < 3; ++i) {
      Tensor x = random_f32({2, 6, 16}, 50 + static_cast<uint32_t>(i));
      Tensor loss = engines.programs[p].run(state, context, {&x, 1})[0];
      if (p == 0) losses.push_back(loss);
      CHECK(same_bytes(loss, losses[i]));
    }
    for (size_t i = 0; i < state.size(); ++i) losses.push_back(state.at(i));
    if (p == 0) continue;
    for (size_t i = 0; i < state.size(); ++i) {
      CHECK(same_bytes(state.at(i), losses[3 + i]));
    }
    losses.resize(3 + state.size());
  }
}

TEST_CASE("artifacts hold functions once and run the same") {
  const Graph g = stack(6);
  Engines engines(g);
  const std::string text = print(engines.outlined().graph());
  const Graph read = parse(text);
  CHECK(same_graph(read, engines.outlined().graph()));
  CHECK(distinct(called(read)) == 1);
  const runtime::Program p = runtime::Program::build(read);
  runtime::Context a(p), b(engines.inlined());
  const runtime::State state = random_state(g);
  const std::vector<Tensor> inputs = random_inputs(g);
  CHECK(same_bytes(p.run(state, a, inputs)[0], engines.inlined().run(state, b, inputs)[0]));
}

TEST_CASE("what repeats in a sequence is found whole, outermost first") {
  auto find = [](std::string_view s, size_t least) {
    std::vector<uint64_t> v(s.begin(), s.end());
    for (uint64_t& x : v) x *= 0x9e3779b97f4a7c15u;
    return passes::find_repeats(v, least, 3);
  };
  CHECK(find("abcdefghijklmnop", 2).empty());
  CHECK(find("abcdabcd", 2).empty());
  std::string body = "abcdefghij", text = "xyz";
  for (int i = 0; i < 5; ++i) text += body;
  std::vector<passes::Repeat> r = find(text + "uvw", 2);
  REQUIRE(r.size() == 1);
  CHECK(r[0].begin == 3);
  CHECK(r[0].end == 53);
  CHECK(r[0].period == 10);
  // Inner repetition of two, four times in each of six.
  text.clear();
  for (int i = 0; i < 6; ++i) text += "abababab" + cat("cdefghijklm");
  r = find(text, 2);
  REQUIRE(r.size() == 1);
  CHECK(r[0].period == 19);
  // Short periods are taken several at a time.
  r = find(std::string(100, 'a'), 8);
  REQUIRE(r.size() == 1);
  CHECK(r[0].period == 8);
}

TEST_CASE("twenty thousand layers become calls in one go") {
  Net net;
  Var x = net.input("x"), w = net.parameter("w");
  constexpr int kLayers = 20'000;
  for (int i = 0; i < kLayers; ++i) x = net.layer(x, w);
  const Graph g = net.finish({x});
  const Graph out = outlined(g);
  CHECK(called(out).size() >= kLayers - 2);
  CHECK(distinct(called(out)) == 1);
}

TEST_CASE("calls read operands that begin inside a buffer where they lie") {
  auto body = std::make_shared<Graph>();
  Value in = body->add_input("x", {DType::F32, {Dim(2), Dim(3)}});
  {
    GraphEmitter e(*body);
    body->add_result(GraphEmitter::value(op<Sin>(e.var(in)) * e.var(in)), "y");
  }
  Net net;
  Var x = net.input("x", {6, 3});
  std::vector<Var> results;
  for (int64_t i = 0; i < 3; ++i) {
    Var part = op<Slice>({.axis = 0, .range = {Dim(2 * i), Dim(2 * i + 2)}}, x);
    const Var operands[] = {part};
    results.push_back(ops<CallFunction>({body}, operands).front());
    results.push_back(op<Sin>(part) * part);
  }
  const Graph g = net.finish(results);
  const runtime::Program p = runtime::Program::build(g);
  runtime::Context context(p);
  const std::vector<Tensor> out = p.run(context, random_inputs(g));
  for (size_t i = 0; i < 6; i += 2) CHECK(same_bytes(out[i], out[i + 1]));
}
