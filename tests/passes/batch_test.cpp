// Batching: the same bits, and as few nodes as promised.
#include "passes/batch.h"

#include <catch2/catch.hpp>

#include "codegen/program_source.h"
#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/optim.h"
#include "etch/trace.h"
#include "ir/ops/contract.h"
#include "ir/registry.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pipeline.h"
#include "runtime/eager.h"
#include "runtime/program/evaluator.h"
#include "runtime/program/program.h"
#include "tests/support/op_call.h"
#include "tools/zoo/bilstm.h"
#include "tools/zoo/treelstm.h"
#include "tools/zoo/zoo.h"

using namespace etch;
using namespace etch::test;
using Catch::Contains;

namespace {

size_t count(const ir::Graph& g, std::string_view op) {
  size_t n = 0;
  for (ir::NodeId id : g) n += g.node(id).op->name() == op;
  return n;
}

ir::Graph optimized(ir::Graph g, std::vector<std::string> skip = {}) {
  runtime::ProgramEvaluator evaluator;
  passes::PassOptions options;
  options.context.evaluator = &evaluator;
  options.verify_each = true;
  options.skip = std::move(skip);
  passes::optimize(g, options);
  return g;
}

/// What a graph gives, its new state after its results.
std::vector<Dense> run(const ir::Graph& g, const std::vector<NamedTensor>& state,
                       const std::vector<Tensor>& inputs, bool compiled) {
  codegen::CompiledKernels kernels;
  runtime::Program program =
      runtime::Program::build(g, {.kernels = compiled ? &kernels : nullptr, .strict = compiled});
  runtime::State own;
  for (const NamedTensor& s : state) own.set(s.name, s.tensor);
  runtime::Context context(program);
  std::vector<Dense> out;
  for (const Tensor& t : program.run(own, context, inputs)) out.push_back(to_dense(t));
  for (const NamedTensor& s : state) out.push_back(to_dense(own.get(s.name)));
  return out;
}

std::vector<NamedTensor> copies(const std::vector<NamedTensor>& state) {
  std::vector<NamedTensor> out;
  for (const NamedTensor& s : state) out.push_back({s.name, s.tensor.detach().clone()});
  return out;
}

void restore(const std::vector<NamedTensor>& state, const std::vector<NamedTensor>& kept) {
  NoGrad no_grad;
  for (size_t i = 0; i < state.size(); ++i) {
    Tensor live = state[i].tensor.detach();
    live.copy_(kept[i].tensor);
  }
}

/// Eager against the batched graph, interpreted and compiled, and how many products it has left and
/// had before.
struct Products {
  size_t before = 0, after = 0;
};
Products check_function(const FlatFunction& f, const std::vector<Tensor>& inputs,
                        const std::vector<NamedTensor>& state) {
  std::vector<NamedTensor> named, start = copies(state);
  for (const Tensor& t : inputs) named.push_back({cat("x", named.size()), t});
  TraceOptions options;
  options.state = state;
  options.check = false;  // compared here
  Trace trace = trace_flat(f, named, options);
  restore(state, start);
  std::vector<Dense> want;
  for (const NamedTensor& t : f(inputs)) want.push_back(to_dense(t.tensor));
  for (const NamedTensor& s : state) want.push_back(to_dense(s.tensor.detach()));
  restore(state, start);
  ir::Graph g = optimized(trace.graph());
  for (bool compiled : {false, true}) {
    std::vector<Dense> got = run(g, start, inputs, compiled);
    REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      INFO("result " << i << (compiled ? ", compiled" : ", interpreted"));
      CHECK(first_difference(got[i], want[i]) == "");
    }
  }
  return {count(optimized(trace.graph(), {"batch", "fuse"}), "matmul"),
          count(optimized(trace.graph(), {"fuse"}), "matmul")};
}

/// A step of SGD on the sum of squares of what `logits` gives.
std::vector<NamedTensor> train(optim::Optimizer& optimizer, const Tensor& logits) {
  Tensor loss = mean(square(logits));
  optimizer.zero_grad();
  loss.backward();
  optimizer.step();
  return {{"loss", loss.detach()}};
}

int64_t height(const zoo::Tree& tree) {
  return tree.is_leaf() ? 0 : 1 + std::max(height(*tree.left), height(*tree.right));
}

/// A recursive network over trees in some element type: no gates, but all that cells are made of.
struct TreeNet : nn::Module {
  Tensor leaf, node, bias, gain, out;
  TreeNet(int64_t width, DType type, Generator& rng) {
    leaf = add_parameter("leaf", randn({3, width}, rng, type));
    node = add_parameter("node", randn({2 * width, width}, rng, type) * 0.3);
    bias = add_parameter("bias", randn({width}, rng, type));
    gain = add_parameter("gain", randn({width}, rng, type));
    out = add_parameter("out", randn({width, 2}, rng, type));
  }
  Tensor encode(const zoo::Tree& tree, const Tensor& x) {
    if (tree.is_leaf()) return tanh(matmul(x.narrow(0, tree.row, 1), leaf));
    Tensor left = encode(*tree.left, x), right = encode(*tree.right, x);
    Tensor y = matmul(concat({left, right}, 1), node) + bias;
    Tensor share = softmax(y.narrow(1, 0, 3), 1);
    return layer_norm(y * amax(share, {1}, true) + left * sum(share * share), gain, bias);
  }
  Tensor operator()(const std::vector<std::unique_ptr<zoo::Tree>>& forest, const Tensor& x) {
    std::vector<Tensor> rows;
    for (const auto& tree : forest) rows.push_back(matmul(encode(*tree, x), out));
    return concat(rows, 0);
  }
};

}  // namespace

TEST_CASE("a forest's cells run as one node a height, with eager's bits forward and backward",
          "[batch]") {
  for (DType type : {DType::F32, DType::F64}) {
    for (uint64_t seed : {1, 2, 3}) {
      CAPTURE(name(type), seed);
      Generator rng(seed);
      auto forest = zoo::random_forest(6 + static_cast<int64_t>(seed), 6, seed);
      TreeNet net(7, type, rng);
      Tensor x = randn({zoo::leaf_count(forest), 3}, rng, type);
      Products forward = check_function(
          [&](std::span<const Tensor> in) {
            NoGrad no_grad;
            return std::vector<NamedTensor>{{"y", net(forest, in[0])}};
          },
          {x}, net.state());
      CHECK(forward.before > 60);
      CHECK(forward.after <= 10);  // leaves, the head, and the heights of the trees
      optim::SGD sgd(net.parameters(), 0.01);
      std::vector<NamedTensor> state = net.state();
      state.insert(state.end(), sgd.state().begin(), sgd.state().end());
      Products step = check_function(
          [&](std::span<const Tensor> in) { return train(sgd, net(forest, in[0])); }, {x}, state);
      CHECK(step.after * 3 < step.before);
    }
  }
}

TEST_CASE("the zoo's networks over trees and sentences keep their bits through a training step",
          "[batch]") {
  for (uint64_t seed : {1, 2}) {
    CAPTURE(seed);
    Generator rng(seed);
    auto forest = zoo::random_forest(5, 6, seed);
    zoo::TreeLstm trees(4, 6, 3, rng);
    optim::SGD sgd(trees.parameters(), 0.1);
    std::vector<NamedTensor> state = trees.state();
    state.insert(state.end(), sgd.state().begin(), sgd.state().end());
    Products step =
        check_function([&](std::span<const Tensor> in) { return train(sgd, trees(forest, in[0])); },
                       {randn({zoo::leaf_count(forest), 4}, rng)}, state);
    int64_t heights = 0;
    for (const auto& tree : forest) heights = std::max(heights, height(*tree));
    // Leaves, and a step at each height and the head there and back.
    CHECK(step.after <= static_cast<size_t>(2 * heights + 3));

    std::vector<int64_t> lengths = zoo::random_lengths(6, 5, seed), words;
    for (int64_t n : lengths) {
      for (int64_t i = 0; i < n; ++i) words.push_back((i * 7 + n) % 11);
    }
    zoo::BilstmTagger tagger(11, 4, 6, 3, rng);
    optim::SGD other(tagger.parameters(), 0.1);
    state = tagger.state();
    state.insert(state.end(), other.state().begin(), other.state().end());
    check_function(
        [&](std::span<const Tensor> in) { return train(other, tagger(lengths, in[0])); },
        {from_bytes(words.data(), Sizes{static_cast<int64_t>(words.size())}, DType::I64)}, state);
  }
}

TEST_CASE("sentences of different lengths take one product a step", "[batch]") {
  Generator rng(4);
  std::vector<int64_t> lengths = {3, 9, 1, 5, 9, 2, 7, 4, 6, 8};
  nn::LSTMCell cell(5, 6, rng);
  int64_t words = 54;
  Products p = check_function(
      [&](std::span<const Tensor> in) {
        NoGrad no_grad;
        std::vector<Tensor> last;
        int64_t at = 0;
        for (int64_t n : lengths) {
          nn::LSTMState s;
          for (int64_t i = 0; i < n; ++i) s = cell(in[0].narrow(0, at++, 1), s);
          last.push_back(s.h);
        }
        return std::vector<NamedTensor>{{"h", concat(last, 0)}};
      },
      {randn({words, 5}, rng)}, cell.state());
  CHECK(p.before == 54 + 45);  // the first state's product is the same for all
  CHECK(p.after == 1 + 9);     // the words' at once, then one for each step
}

TEST_CASE("a table's gradient is one scatter of all rows that were looked up", "[batch]") {
  const std::vector<int64_t> words = {3, 0, 3, 5, 0, 3, 9, 1};
  const auto count_of = static_cast<int64_t>(words.size());
  for (DType type : {DType::F32, DType::F64}) {
    CAPTURE(name(type));
    struct Table : nn::Module {
      Tensor table;
      Table(DType t, Generator& rng) { table = add_parameter("table", randn({10, 4}, rng, t)); }
    };
    Generator rng(8);
    Table net(type, rng);
    optim::SGD sgd(net.parameters(), 0.5);
    // Rows that are +0 and -0 times something: zeros of both signs come together in the sums.
    Tensor scale =
        from_vector(std::vector<double>{1, -1, 0, -0.0, -0.0, 2, -0.0, 1e-320}, {count_of, 1})
            .to(type);
    auto step = [&](std::span<const Tensor> in) {
      Tensor total;
      for (int64_t i = 0; i < count_of; ++i) {
        Tensor row = tanh(index_select(net.table, in[0].narrow(0, i, 1)) * in[1].narrow(0, i, 1));
        total = i == 0 ? sum(row) : total + sum(row);
      }
      sgd.zero_grad();
      total.backward();
      Tensor gradient = net.table.grad().detach();
      sgd.step();
      return std::vector<NamedTensor>{{"loss", total.detach()}, {"gradient", gradient}};
    };
    std::vector<NamedTensor> state = net.state();
    state.insert(state.end(), sgd.state().begin(), sgd.state().end());
    check_function(step, {from_bytes(words.data(), Sizes{count_of}, DType::I64), scale}, state);
    TraceOptions options;
    options.state = state;
    options.check = false;
    Trace t = trace_flat(
        step, {{"words", from_bytes(words.data(), Sizes{count_of}, DType::I64)}, {"scale", scale}},
        options);
    CHECK(count(optimized(t.graph(), {"batch", "fuse"}), "index_add") == words.size());
    CHECK(count(optimized(t.graph(), {"fuse"}), "index_add") == 1);
  }
}

TEST_CASE("every operator that batches keeps its bits, whichever operands are shared", "[batch]") {
  size_t batched = 0, cases = 0;
  for (const ir::OpDef* op : ir::all_ops()) {
    for (DType type : {DType::F32, DType::F64, DType::I32, DType::Bool}) {
      for (const OpCase& c : op_cases(*op, type)) {
        if (c.in.empty()) continue;
        for (uint32_t shared = 0; shared + 1 < (1u << std::min<size_t>(c.in.size(), 3)); ++shared) {
          INFO(c.name << " " << name(type) << " shared " << shared);
          constexpr int kCopies = 3;
          ir::Graph g;
          std::vector<Tensor> inputs;
          std::vector<std::vector<Dense>> want;
          std::vector<ir::Value> first;
          bool raised = false;
          std::shared_ptr<void> attrs = concrete(c);
          for (int copy = 0; copy < kCopies; ++copy) {
            std::vector<Dense> drawn = draw_operands(c, static_cast<uint64_t>(copy));
            std::vector<ir::Value> in;
            std::vector<Tensor> operands;
            for (size_t i = 0; i < drawn.size(); ++i) {
              bool same = ((shared >> i) & 1) != 0 && copy > 0;
              if (same) {
                in.push_back(first[i]);
                operands.push_back(inputs[i]);
                continue;
              }
              Tensor t = to_tensor(drawn[i]);
              in.push_back(g.add_input(cat("x", inputs.size()), {t.dtype(), to_shape(t.sizes())}));
              inputs.push_back(t);
              operands.push_back(t);
            }
            if (copy == 0) first = in;
            ir::Types types, out;
            for (ir::Value v : in) types.push_back(g.type(v));
            try {
              NoGrad no_grad;
              std::vector<Dense>& results = want.emplace_back();
              for (const Tensor& t : runtime::apply(*op, operands, attrs.get())) {
                results.push_back(to_dense(t));
              }
              out = ir::infer_types(*op, types, attrs.get());
            } catch (const UserError&) {
              raised = true;
              break;
            }
            ir::NodeId id =
                g.add_node(*op, in, ir::AttrBox::copy(*op->schema, attrs.get()), std::move(out));
            for (uint32_t i = 0; i < g.node(id).outputs.size(); ++i) {
              g.add_result({id, i}, cat("y", g.results().size()));
            }
          }
          if (raised) continue;
          ++cases;
          batched += passes::batch_all(g, {});
          ir::verify(g);
          std::vector<Dense> got = run(g, {}, inputs, false);
          size_t at = 0;
          for (const std::vector<Dense>& results : want) {
            for (const Dense& d : results) CHECK(first_difference(got.at(at++), d) == "");
          }
        }
      }
    }
  }
  CHECK(cases > 400);
  CHECK(batched * 2 > cases);
}

TEST_CASE("a graph without repetition stays as it is", "[batch]") {
  Generator rng(5);
  nn::Linear a(8, 16, rng), b(16, 4, rng);
  TraceOptions options;
  options.state = a.state("a");
  for (const NamedTensor& s : b.state("b")) options.state.push_back(s);
  Trace t = trace([&](const Tensor& x) { return softmax(b(relu(a(x))), 1); }, randn({5, 8}, rng),
                  options);
  ir::Graph g = optimized(t.graph(), {"batch", "fuse"});
  std::string before = ir::print(g);
  CHECK_FALSE(passes::batch(g, {}));
  CHECK(ir::print(g) == before);
}

TEST_CASE("the zoo's other models stay as they are", "[batch]") {
  for (const ModelEntry& entry : zoo::models()) {
    if (entry.name == "treelstm" || entry.name == "bilstm") continue;
    INFO(entry.name);
    Model model = entry.make(ModelParameters(entry.parameters));
    TraceOptions options;
    options.state = model.state;
    options.check = false;
    ir::Graph g =
        optimized(trace_flat(model.function, model.inputs, options).graph(), {"batch", "fuse"});
    CHECK_FALSE(passes::batch(g, {}));
  }
}

TEST_CASE("products that fill the machine, and what costs more to gather, are left alone",
          "[batch]") {
  for (int64_t rows : {4, 256}) {
    ir::Graph g;
    ir::Value w = g.add_input("w", {DType::F32, {Dim(64), Dim(64)}});
    for (int i = 0; i < 8; ++i) {
      ir::Value x = g.add_input(cat("x", i), {DType::F32, {Dim(rows), Dim(64)}});
      const ir::Value in[] = {x, w};
      ir::Value y{g.add_node(ir::op_def<ir::MatMul>(), in, {}, {g.type(x)}), 0};
      for (int k = 0; k < 3; ++k) {
        const ir::Value again[] = {y, w};
        y = {g.add_node(ir::op_def<ir::MatMul>(), again, {}, {g.type(x)}), 0};
      }
      g.add_result(y, cat("y", i));
    }
    CAPTURE(rows);
    CHECK(passes::batch(g, {}) == (rows == 4));
    CHECK(count(g, "matmul") == (rows == 4 ? 4 : 32));
  }
  // One operator on each of four inputs: the copies are as much work as the operators.
  ir::Graph g;
  for (int i = 0; i < 4; ++i) {
    ir::Value x = g.add_input(cat("x", i), {DType::F32, {Dim(16)}});
    const ir::Value in[] = {x};
    g.add_result({g.add_node(*ir::find_op("tanh"), in, {}, {g.type(x)}), 0}, cat("y", i));
  }
  CHECK_FALSE(passes::batch(g, {}));
}

TEST_CASE("an index out of range names the line of the lookup that has it, batched or not",
          "[batch]") {
  Generator rng(6);
  nn::Embedding words(10, 4, rng);
  auto f = [&](const Tensor& ids) {
    NoGrad no_grad;
    std::vector<Tensor> rows;
    for (int64_t i = 0; i < 6; ++i) rows.push_back(tanh(words(ids.narrow(0, i, 1))));
    return concat(rows, 0);
  };
  TraceOptions options;
  options.state = words.state();
  Trace t = trace(f, zeros({6}, DType::I64), options);
  ir::Graph g = optimized(t.graph());
  CHECK(count(g, "index_select") == 1);
  runtime::Program program = runtime::Program::build(g);
  runtime::State state;
  for (const NamedTensor& s : words.state()) state.set(s.name, s.tensor);
  runtime::Context context(program);
  const int64_t ids[] = {1, 2, 10, 3, 4, 5};
  const Tensor in[] = {from_bytes(ids, Sizes{6}, DType::I64)};
  CHECK_THROWS_WITH(program.run(state, context, in),
                    Contains("index 10") && Contains("batch_test.cpp"));
}
