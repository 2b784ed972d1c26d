// Programs of many small operators, written for one tree or sentence and called on 64: eager,
// compiled with and without batching, and in libtorch.
//   batch_bench [--threads N] [--rounds N] [--only TEXT]
#include "bench/batch_bench.h"

#include <cmath>
#include <ctime>
#include <memory>
#include <numeric>

#include "codegen/program_source.h"
#include "etch/autograd.h"
#include "etch/ops.h"
#include "etch/optim.h"
#include "etch/trace.h"
#include "passes/pipeline.h"
#include "runtime/program/evaluator.h"
#include "runtime/program/program.h"
#include "tools/zoo/bilstm.h"
#include "tools/zoo/treelstm.h"

namespace etch::bench {

namespace {

constexpr double kRate = 1e-4;  // small: thousands of steps must not change the kind of numbers

double wall() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// A network on a forest or a set of sentences, with inputs and targets.
struct Problem {
  std::shared_ptr<nn::Module> net;
  std::function<Tensor(const Tensor& x)> logits;
  Tensor x, targets;

  Tensor train(optim::Optimizer& optimizer, const Tensor& in, const Tensor& want) const {
    Tensor loss = cross_entropy(logits(in), want);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    return loss.detach();
  }
  std::vector<Parameter> parameters() const {
    std::vector<Parameter> out;
    for (const NamedTensor& t : net->state()) {
      out.push_back({t.name,
                     {t.tensor.sizes().begin(), t.tensor.sizes().end()},
                     t.tensor.detach().data<float>()});
    }
    return out;
  }
};

/// A recorded function as a program of compiled kernels, with or without batching.
class Replay {
 public:
  Replay(const Trace& trace, bool batched) : begin_(wall()), program_(build(trace, batched)) {
    compile_seconds_ = wall() - begin_;
    for (const NamedTensor& s : trace.state()) state_.set(s.name, s.tensor.detach());
    context_ = std::make_unique<runtime::Context>(program_);
  }
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs) {
    return program_.run(state_, *context_, inputs);
  }
  double compile_seconds() const { return compile_seconds_; }
  std::string details() const {
    const runtime::ProgramStats s = program_.stats();
    return cat("\"kernels_built\": ", s.native, ", \"kernels_run\": ", s.kernels,
               ", \"fallbacks\": ", s.kernels - s.native, ", \"steps\": ", s.steps);
  }

 private:
  runtime::Program build(const Trace& trace, bool batched) {
    ir::Graph g = trace.graph();
    runtime::ProgramEvaluator evaluator;
    passes::PassOptions options;
    options.context.evaluator = &evaluator;
    if (!batched) options.skip = {"batch"};
    passes::optimize(g, options);
    return runtime::Program::build(std::move(g), {.kernels = &kernels_, .strict = true});
  }

  codegen::CompiledKernels kernels_{{.mode = codegen::CompileMode::Sync, .strict = true}};
  double begin_ = 0, compile_seconds_ = 0;
  runtime::Program program_;
  runtime::State state_;
  std::unique_ptr<runtime::Context> context_;
};

void require_same(const std::string& what, const Tensor& a, const Tensor& b) {
  if (a.to_vector<float>() != b.to_vector<float>()) fail_internal(cat(what, " differ"));
}

void require_close(const std::string& what, const std::vector<float>& a,
                   const std::vector<float>& b) {
  if (a.size() != b.size()) fail_internal(cat(what, ": sizes differ"));
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= 1e-3f)) fail_internal(cat(what, " differ: ", a[i], ", ", b[i]));
  }
}

/// The rows of one function: batched beside eager, without batching and libtorch.
void measure_function(Session& session, const std::string& group, const std::string& name,
                      const std::string& size, const Trace& trace, double trace_seconds,
                      const std::vector<Tensor>& inputs, const Run& eager, const Run& torch,
                      const Tensor& expected, bool both) {
  Replay batched(trace, true);
  require_same(cat(name, ", batched"), batched(inputs).front(), expected);
  session.record(group, name, "trace and check", {trace_seconds}, "");
  session.record(group, name, "compile, batched", {batched.compile_seconds()}, batched.details());
  Case c;
  c.group = group, c.name = name, c.size = size;
  c.own = [&] { batched(inputs); };
  c.peers = {{"Etch, eager", 0.2, eager}, {"libtorch", 0, torch}};
  std::unique_ptr<Replay> plain;
  if (both) {
    plain = std::make_unique<Replay>(trace, false);
    require_same(cat(name, ", not batched"), (*plain)(inputs).front(), expected);
    session.record(group, name, "compile, not batched", {plain->compile_seconds()},
                   plain->details());
    c.peers.push_back({"Etch, not batched", 0, [&] { (*plain)(inputs); }});
  }
  c.details = [&](double) { return batched.details(); };
  session.measure(c);
}

void measure(Session& session, const std::string& name, const std::string& size,
             const Problem& problem, const PeerProgram& peer, bool train) {
  const std::vector<Tensor> in = {problem.x}, pair = {problem.x, problem.targets};
  if (session.wants("forward", name, size)) {
    NoGrad no_grad;
    const Tensor logits = problem.logits(problem.x);
    peer.forward();
    require_close("logits of Etch and libtorch", logits.to_vector<float>(), peer.logits());
    TraceOptions options;
    options.state = problem.net->state();
    const double begin = wall();
    const Trace trace = trace_flat(
        [&](std::span<const Tensor> x) {
          return std::vector<NamedTensor>{{"logits", problem.logits(x[0])}};
        },
        {{"x", problem.x}}, options);
    measure_function(
        session, "forward", name, size, trace, wall() - begin, in,
        [&] { problem.logits(problem.x); }, peer.forward, logits, true);
  }
  if (train && session.wants("training step", name, size)) {
    optim::SGD sgd(problem.net->parameters(), kRate);
    TraceOptions options;
    options.state = problem.net->state();
    options.state.insert(options.state.end(), sgd.state().begin(), sgd.state().end());
    const double begin = wall();
    const Trace trace = trace_flat(
        [&](std::span<const Tensor> x) {
          return std::vector<NamedTensor>{{"loss", problem.train(sgd, x[0], x[1])}};
        },
        {{"x", problem.x}, {"y", problem.targets}}, options);
    const double seconds = wall() - begin;
    // Recording took the first step. All three programs start after it.
    peer.train();
    std::vector<std::pair<Tensor, Tensor>> kept;
    for (const NamedTensor& t : options.state)
      kept.push_back({t.tensor, t.tensor.detach().clone()});
    const Tensor loss = problem.train(sgd, problem.x, problem.targets);
    {
      NoGrad no_grad;
      for (auto& [live, before] : kept) live.detach().copy_(before);
    }
    peer.train();
    require_close("losses of Etch and libtorch", loss.to_vector<float>(), {peer.loss()});
    measure_function(
        session, "training step", name, size, trace, seconds, pair,
        [&] { problem.train(sgd, problem.x, problem.targets); }, peer.train, loss, false);
  }
}

Tensor random_targets(int64_t rows, int64_t classes, Generator& rng) {
  NoGrad no_grad;
  return floor(rand({rows}, rng) * static_cast<double>(classes)).to(DType::I64);
}

int64_t flatten(const zoo::Tree& tree, FlatTree& out) {
  FlatTree::Node n;
  if (tree.is_leaf()) {
    n.row = tree.row;
  } else {
    n.left = flatten(*tree.left, out);
    n.right = flatten(*tree.right, out);
  }
  out.nodes.push_back(n);
  return static_cast<int64_t>(out.nodes.size()) - 1;
}

void measure_treelstm(Session& session, int64_t trees, int64_t leaves, int64_t hidden, bool train) {
  constexpr int64_t kClasses = 5;
  const std::string name = cat("treelstm ", hidden), size = cat(trees, " trees");
  if (!session.wants("forward", name, size) && !session.wants("training step", name, size)) return;
  Generator rng(11);
  auto forest = std::make_shared<std::vector<std::unique_ptr<zoo::Tree>>>(
      zoo::random_forest(trees, leaves, 5));
  auto net = std::make_shared<zoo::TreeLstm>(hidden, hidden, kClasses, rng);
  const int64_t rows = zoo::leaf_count(*forest);
  Problem p{net, [=](const Tensor& x) { return (*net)(*forest, x); }, randn({rows, hidden}, rng),
            random_targets(trees, kClasses, rng)};
  std::vector<FlatTree> flat(forest->size());
  for (size_t i = 0; i < flat.size(); ++i) flatten(*(*forest)[i], flat[i]);
  measure(session, name, size, p,
          torch_peer::treelstm(p.parameters(), flat, p.x.data<float>(), rows, hidden,
                               p.targets.data<int64_t>(), kRate),
          train);
}

void measure_bilstm(Session& session, int64_t sentences, int64_t words, int64_t hidden,
                    bool train) {
  constexpr int64_t kTags = 9, kVocabulary = 1000;
  const std::string name = cat("bilstm ", hidden), size = cat(sentences, " sentences");
  if (!session.wants("forward", name, size) && !session.wants("training step", name, size)) return;
  Generator rng(12);
  const std::vector<int64_t> lengths = zoo::random_lengths(sentences, words, 5);
  const int64_t count = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  auto net = std::make_shared<zoo::BilstmTagger>(kVocabulary, hidden, hidden, kTags, rng);
  Problem p{net, [=](const Tensor& x) { return (*net)(lengths, x); },
            random_targets(count, kVocabulary, rng), random_targets(count, kTags, rng)};
  measure(session, name, size, p,
          torch_peer::bilstm(p.parameters(), lengths, p.x.data<int64_t>(),
                             p.targets.data<int64_t>(), kRate),
          train);
}

}  // namespace

}  // namespace etch::bench

int main(int argc, char** argv) {
  using namespace etch::bench;
  return run_program([&] {
    const Options options = parse_options("batch_bench", argc, argv);
    use_fair_environment(options, argv);
    etch::set_num_threads(options.threads);
    Session session("batch_bench", options,
                    etch::cat("\"libtorch\": \"", torch_peer::version(), "\""));
    for (int64_t hidden : {32, 64, 128}) {
      const bool train = hidden == 64;  // recording a step takes seconds
      measure_treelstm(session, 64, 16, hidden, train);
      measure_bilstm(session, 64, 16, hidden, train);
    }
  });
}
