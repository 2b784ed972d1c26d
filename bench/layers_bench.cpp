// Deep models of equal layers: what compiling one costs with 96 layers and with 4, and what calling
// one function for all layers costs a run.
//   layers_bench [--threads N] [--rounds N] [--only TEXT]
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "bench/measure.h"
#include "codegen/program_source.h"
#include "etch/autograd.h"
#include "etch/nn.h"
#include "etch/ops.h"
#include "etch/optim.h"
#include "etch/trace.h"
#include "passes/pipeline.h"
#include "runtime/program/evaluator.h"
#include "runtime/program/program.h"

namespace etch::bench {
namespace {

constexpr int64_t kVocabulary = 64;

struct Sizes {
  int64_t layers = 4, width = 64, rows = 1, length = 32;
};

Tensor gelu_of(const Tensor& x, std::source_location loc) { return gelu(x, false, loc); }

/// Encoder layers between an embedding and a linear layer.
class Net : public nn::Module {
 public:
  Net(const Sizes& s, Generator& rng) : length_(s.length) {
    tokens_ = add_module("tokens", std::make_shared<nn::Embedding>(kVocabulary, s.width, rng));
    const nn::TransformerOptions options{.feedforward = 4 * s.width,
                                         .dropout = 0,
                                         .activation = &gelu_of,
                                         .batch_first = true,
                                         .norm_first = true};
    encoder_ = add_module(
        "encoder", std::make_shared<nn::TransformerEncoder>(s.layers, s.width, 4, rng, options));
    norm_ = add_module("norm", std::make_shared<nn::LayerNorm>(s.width));
    head_ = add_module("head", std::make_shared<nn::Linear>(s.width, kVocabulary, rng));
  }
  Tensor operator()(const Tensor& ids) {
    return (*head_)((*norm_)((*encoder_)((*tokens_)(ids), nn::causal_mask(length_))));
  }

 private:
  int64_t length_;
  std::shared_ptr<nn::Embedding> tokens_;
  std::shared_ptr<nn::TransformerEncoder> encoder_;
  std::shared_ptr<nn::LayerNorm> norm_;
  std::shared_ptr<nn::Linear> head_;
};

/// The net, what it learns from and who teaches it.
struct Job {
  explicit Job(const Sizes& s) : net(s, rng), ids(draw(s)), targets(draw(s)) {}
  Tensor draw(const Sizes& s) {
    NoGrad no_grad;
    return (rand({s.rows, s.length}, rng) * static_cast<double>(kVocabulary)).to(DType::I64);
  }
  Trace forward() {
    NoGrad no_grad;
    net.eval();
    TraceOptions options;
    options.state = net.state();
    FlatFunction f = [this](std::span<const Tensor> in) {
      return std::vector<NamedTensor>{{"logits", net(in[0])}};
    };
    return trace_flat(f, {{"ids", ids}}, options);
  }
  Trace training() {
    TraceOptions options;
    options.state = net.state();
    const std::vector<NamedTensor>& own = optimizer.state();
    options.state.insert(options.state.end(), own.begin(), own.end());
    FlatFunction f = [this](std::span<const Tensor> in) {
      Tensor logits = net(in[0]);
      Tensor loss = cross_entropy(logits.reshape({-1, kVocabulary}), in[1].reshape({-1}));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      return std::vector<NamedTensor>{{"loss", loss.detach()}};
    };
    return trace_flat(f, {{"ids", ids}, {"targets", targets}}, options);
  }
  Trace trace(const std::string& what) { return what == "forward" ? forward() : training(); }

  Generator rng{2026};
  Net net;
  Tensor ids, targets;
  optim::Adam optimizer{net.parameters(), 1e-6, 0.9, 0.999, 1e-8, 0.01};
};

ir::Graph optimized(const Trace& trace, bool outline) {
  runtime::ProgramEvaluator evaluator;
  passes::PassOptions options;
  options.context.evaluator = &evaluator;
  if (!outline) options.skip = {"outline"};
  return passes::optimized(trace.graph(), options);
}

// Compiling, in a process of its own: nothing that was compiled before may help.

double wall() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Seconds of each part, in one process.
struct Parts {
  double trace = 0, passes = 0, plan = 0, build = 0, first = 0;
  int nodes = 0, kernels = 0;
  double compile() const { return passes + build; }
};

void print_parts(const std::string& what, int64_t layers, bool outline) {
  set_num_threads(1);
  Sizes sizes;
  sizes.layers = layers;
  Job job(sizes);
  Parts p;
  const double begin = wall();
  const Trace trace = job.trace(what);
  const double traced = wall();
  ir::Graph g = optimized(trace, outline);
  const double passed = wall();
  {
    runtime::Program::build(g);
  }
  const double planned = wall();
  codegen::CompiledKernels kernels;
  const runtime::Program program =
      runtime::Program::build(std::move(g), {.kernels = &kernels, .strict = true});
  const double built = wall();
  runtime::Context context(program);
  runtime::State state;
  for (const NamedTensor& s : trace.state()) state.set(s.name, s.tensor);
  std::vector<Tensor> inputs;
  for (const NamedTensor& n : trace.example_inputs()) inputs.push_back(n.tensor);
  const double ready = wall();
  program.run(state, context, inputs);
  const double ran = wall();
  std::printf("%.9f %.9f %.9f %.9f %.9f %d %d\n", traced - begin, passed - traced, planned - passed,
              built - planned, ran - ready, static_cast<int>(program.graph().size()),
              static_cast<int>(program.stats().kernels));
}

Parts start(const std::string& what, int64_t layers, bool outline,
            const std::filesystem::path& cache) {
  const std::string command =
      cat("ETCH_CACHE_DIR='", cache.string(), "' '", program_folder(), "/layers_bench' --parts ",
          what, " ", layers, outline ? " calls" : " inline");
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) fail("layers_bench", "cannot start a process");
  Parts p;
  const int got = std::fscanf(pipe, "%lf %lf %lf %lf %lf %d %d", &p.trace, &p.passes, &p.plan,
                              &p.build, &p.first, &p.nodes, &p.kernels);
  if (pclose(pipe) != 0 || got != 7) fail("layers_bench", cat("failed: ", command));
  return p;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// Rows for each part, and the ratio of 96 layers to 4.
void measure_compile(Session& session, const std::string& what, bool outline, int rounds) {
  const std::string name = cat(what, outline ? "" : ", no functions");
  if (!session.wants("compile", name, "")) return;
  const std::filesystem::path cache =
      std::filesystem::temp_directory_path() / cat("etch-layers-bench-", getpid());
  struct Series {
    std::vector<double> trace, passes, plan, cold, warm, first;
    Parts last;
  };
  const int64_t layers[] = {4, 96};
  Series of[2];
  for (int r = 0; r < rounds; ++r) {
    for (int i = 0; i < 2; ++i) {
      Series& s = of[i];
      std::filesystem::remove_all(cache);
      std::filesystem::create_directories(cache);
      std::filesystem::permissions(cache, std::filesystem::perms::owner_all);
      const Parts cold = start(what, layers[i], outline, cache);
      const Parts warm = start(what, layers[i], outline, cache);
      for (const Parts& p : {cold, warm}) {
        s.trace.push_back(p.trace);
        s.passes.push_back(p.passes);
        s.plan.push_back(p.plan);
        s.first.push_back(p.first);
      }
      s.cold.push_back(cold.compile());
      s.warm.push_back(warm.compile());
      s.last = cold;
    }
  }
  std::filesystem::remove_all(cache);
  for (int i = 0; i < 2; ++i) {
    const Series& s = of[i];
    auto row = [&](const std::string& part, const std::vector<double>& times,
                   const std::string& more) {
      session.record("compile", name, cat(layers[i], " layers, ", part), times, more);
    };
    auto ratio = [&](auto member) {
      return i == 0
                 ? std::string()
                 : cat(", \"ratio_to_4_layers\": ", median(of[1].*member) / median(of[0].*member));
    };
    const std::string count = cat("\"nodes\": ", s.last.nodes, ", \"kernels\": ", s.last.kernels);
    row("trace and check", s.trace, cat("\"layers\": ", layers[i]));
    row("passes", s.passes, count + ratio(&Series::passes));
    row("plan", s.plan, count + ratio(&Series::plan));
    row("compile, cache cold", s.cold, count + ratio(&Series::cold));
    row("compile, cache warm", s.warm, count + ratio(&Series::warm));
    row("first call", s.first, count);
  }
}

/// A program of compiled kernels with the State it uses.
class Ready {
 public:
  Ready(const Trace& trace, bool outline)
      : program_(runtime::Program::build(optimized(trace, outline), {.kernels = &kernels_})),
        context_(program_) {
    for (const NamedTensor& s : trace.state()) state_.set(s.name, s.tensor);
    for (const NamedTensor& n : trace.example_inputs()) inputs_.push_back(n.tensor);
  }
  void run() { program_.run(state_, context_, inputs_); }
  size_t arena_bytes() const { return context_.arena_bytes(); }

 private:
  codegen::CompiledKernels kernels_;
  runtime::Program program_;
  runtime::Context context_;
  runtime::State state_;
  std::vector<Tensor> inputs_;
};

/// Calls beside the same graph without functions.
void measure_run(Session& session, const std::string& what, const Sizes& sizes) {
  const std::string size =
      cat(sizes.layers, " layers, width ", sizes.width, ", ", sizes.rows, " x ", sizes.length);
  if (!session.wants("run", what, size)) return;
  Job job(sizes);
  const Trace trace = job.trace(what);
  auto calls = std::make_shared<Ready>(trace, true);
  auto plain = std::make_shared<Ready>(trace, false);
  Case c;
  c.group = "run";
  c.name = what;
  c.size = size;
  c.own = [=] { calls->run(); };
  c.peers = {{"no functions", 1, [=] { plain->run(); }}};
  c.details = [=](double) {
    return cat("\"arena_bytes\": ", calls->arena_bytes(),
               ", \"arena_bytes_without\": ", plain->arena_bytes());
  };
  session.measure(c);
}

}  // namespace
}  // namespace etch::bench

int main(int argc, char** argv) {
  using namespace etch::bench;
  return run_program([&] {
    if (argc == 5 && std::strcmp(argv[1], "--parts") == 0) {
      return print_parts(argv[2], std::atoll(argv[3]), std::strcmp(argv[4], "calls") == 0);
    }
    const Options options = parse_options("layers_bench", argc, argv);
    use_fair_environment(options, argv);
    etch::set_num_threads(options.threads);
    Session session("layers_bench", options, "");
    for (const char* what : {"forward", "training"}) {
      for (bool outline : {true, false}) {
        measure_compile(session, what, outline, std::max(1, options.rounds / 4));
      }
      for (int64_t width : {64, 256}) {
        measure_run(session, what, {.layers = 12, .width = width});
      }
      measure_run(session, what, {.layers = 12, .width = 64, .length = 1});
    }
  });
}
