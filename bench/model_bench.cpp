// Whole models: start-up, a training step, inference.
//   model_bench [--threads N] [--rounds N] [--only TEXT]
#include "bench/model_bench.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>

#include "codegen/compiler.h"
#include "etch/jit.h"
#include "etch/ops.h"
#include "examples/digits/data.h"
#include "examples/digits/net.h"
#include "onnx_export/exporter.h"
#include "runtime/io/tensor_io.h"
#include "tools/zoo/zoo.h"

namespace etch::bench {

namespace {

constexpr int64_t kBatch = 64;
constexpr double kRate = 1e-5;  // small: thousands of steps must not change the kind of numbers
constexpr CompileOptions kStrict{.mode = CompileMode::Sync, .strict = true};

Model make_resnet18() {
  for (const ModelEntry& entry : zoo::models()) {
    if (entry.name == "resnet18") return entry.make(ModelParameters(entry.parameters));
  }
  fail_internal("the zoo has resnet18");
}

Trace trace_model(const Model& model) {
  TraceOptions options;
  options.state = model.state;
  return trace_flat(model.function, model.inputs, options);
}

/// Digits and the network that learns them.
struct Digits {
  digits::Data data = digits::load(ETCH_DIGITS_DATA, 1);
  Generator rng{2026};
  digits::Net net{rng};
  optim::Adam optimizer{net.parameters(), kRate};

  Tensor step(const Tensor& x, const Tensor& y) { return digits::train_step(net, optimizer, x, y); }
  int64_t batches() const { return data.train_x.sizes()[0] / kBatch; }
  Tensor x(int64_t i) const { return data.train_x.slice(0, i * kBatch, (i + 1) * kBatch); }
  Tensor y(int64_t i) const { return data.train_y.slice(0, i * kBatch, (i + 1) * kBatch); }
  Trace trace() {
    TraceOptions options;
    options.state = digits::training_state(net, optimizer);
    FlatFunction f = [this](std::span<const Tensor> in) {
      return std::vector<NamedTensor>{{"loss", step(in[0], in[1])}};
    };
    return trace_flat(f, {{"x", x(0)}, {"y", y(0)}}, options);
  }
};

// Start-up, in a process of its own, for nothing that was compiled before may help.

double wall() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// What one process saw, printed by it and read by the other.
struct StartUp {
  double trace = 0, compile = 0, first = 0;  // seconds
  int kernels = 0, fallbacks = 0, disk_hits = 0;
};

constexpr const char* kFormat = "%lf %lf %lf %d %d %d";

void print_start_up(const std::string& model) {
  set_num_threads(1);
  std::unique_ptr<Digits> digits;
  Model resnet;
  std::vector<Tensor> inputs;
  if (model == "digits step") {
    digits = std::make_unique<Digits>();
    inputs = {digits->x(0), digits->y(0)};
  } else {
    resnet = make_resnet18();
    inputs = {resnet.inputs.front().tensor};
  }
  StartUp s;
  const double begin = wall();
  const Trace trace = digits != nullptr ? digits->trace() : trace_model(resnet);
  const double traced = wall();
  Compiled program(trace, kStrict);
  const double compiled = wall();
  program(inputs);
  const double ran = wall();
  const codegen::CompileStatistics c = codegen::KernelCompiler::instance().statistics();
  std::printf("%.9f %.9f %.9f %d %d %d\n", traced - begin, compiled - traced, ran - compiled,
              static_cast<int>(program.stats().kernels_built),
              static_cast<int>(program.stats().fallbacks), static_cast<int>(c.disk_hits));
}

StartUp start_up(const std::string& model, const std::filesystem::path& cache) {
  const std::string command = cat("ETCH_CACHE_DIR='", cache.string(), "' '", program_folder(),
                                  "/model_bench' --start-up '", model, "'");
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) fail("model_bench", "cannot start a process");
  StartUp s;
  const int got = std::fscanf(pipe, kFormat, &s.trace, &s.compile, &s.first, &s.kernels,
                              &s.fallbacks, &s.disk_hits);
  if (pclose(pipe) != 0 || got != 6) fail("model_bench", cat("failed: ", command));
  return s;
}

void measure_start_up(Session& session, const std::string& model, int rounds) {
  if (!session.wants("start-up", model, "")) return;
  const std::filesystem::path cache =
      std::filesystem::temp_directory_path() / cat("etch-model-bench-", getpid());
  std::vector<double> trace, cold, warm, first;
  StartUp c, w;
  for (int r = 0; r < rounds; ++r) {
    std::filesystem::remove_all(cache);
    std::filesystem::create_directories(cache);
    std::filesystem::permissions(cache, std::filesystem::perms::owner_all);
    c = start_up(model, cache);
    w = start_up(model, cache);
    for (const StartUp& s : {c, w}) trace.push_back(s.trace), first.push_back(s.first);
    cold.push_back(c.compile);
    warm.push_back(w.compile);
  }
  std::filesystem::remove_all(cache);
  const auto kernels = [](const StartUp& s) {
    return cat("\"kernels_built\": ", s.kernels, ", \"kernels_run\": ", s.kernels,
               ", \"fallbacks\": ", s.fallbacks, ", \"from_disk\": ", s.disk_hits);
  };
  session.record("start-up", model, "trace and check", trace, "");
  session.record("start-up", model, "compile, cache cold", cold, kernels(c));
  session.record("start-up", model, "compile, cache warm", warm, kernels(w));
  session.record("start-up", model, "first call", first, "");
}

std::vector<Weight> weights_of(const std::vector<NamedTensor>& state) {
  std::vector<Weight> out;
  for (const NamedTensor& t : state) {
    out.push_back({t.name,
                   {t.tensor.sizes().begin(), t.tensor.sizes().end()},
                   t.tensor.detach().data<float>()});
  }
  return out;
}

void require_close(const std::string& what, const std::vector<float>& own,
                   const std::vector<float>& peer, float tolerance) {
  if (own.size() != peer.size()) fail_internal(cat(what, ": sizes differ"));
  for (size_t i = 0; i < own.size(); ++i) {
    if (!(std::fabs(own[i] - peer[i]) <= tolerance)) {
      fail_internal(cat(what, ": element ", i, " is ", own[i], ", the peer has ", peer[i]));
    }
  }
}

std::string kernel_details(const CompiledStats& s) {
  return cat("\"kernels_built\": ", s.kernels_built, ", \"kernels_run\": ", s.kernels_run,
             ", \"interpreted\": ", s.interpreted_run, ", \"fallbacks\": ", s.fallbacks);
}

void measure_digits(Session& session) {
  const std::string size = cat("batch ", kBatch);
  if (!session.wants("training step", "digits", size)) return;
  Digits eager, traced;
  std::vector<Tensor> x, y;
  std::vector<Batch> batches;
  for (int64_t i = 0; i < eager.batches(); ++i) {
    x.push_back(eager.x(i)), y.push_back(eager.y(i));
    batches.push_back({kBatch, x.back().data<float>(), y.back().data<int64_t>()});
  }
  const Training peer = torch_peer::digits(weights_of(eager.net.state()), batches, kRate);
  Compiled program(traced.trace(), kStrict);
  const auto compiled_step = [&](size_t i) {
    const Tensor in[] = {x[i], y[i]};
    return program(in).front();
  };
  // Recording took the traced network's first step.
  for (size_t i = 0; i < 3; ++i) {
    const std::vector<float> loss = eager.step(x[i], y[i]).to_vector<float>();
    peer.step(i);
    require_close("loss of eager and libtorch", loss, {peer.loss()}, 1e-4f);
    if (i != 0) {
      require_close("loss of compiled and eager", compiled_step(i).to_vector<float>(), loss, 0);
    }
  }
  const auto by_turns = [n = x.size()](auto step) {
    return [=, i = size_t{0}]() mutable { step(i++ % n); };
  };
  const Run run_eager = by_turns([&](size_t i) { eager.step(x[i], y[i]); });
  const Run run_peer = by_turns(peer.step);
  Case c;
  c.group = "training step", c.name = "digits, compiled", c.size = size;
  c.own = by_turns(compiled_step);
  c.peers = {{"libtorch", 0, run_peer}, {"Etch, eager", 0, run_eager}};
  c.details = [&](double) { return kernel_details(program.stats()); };
  session.measure(c);
  c.name = "digits, eager";
  c.own = run_eager;
  c.peers = {{"libtorch", 0, run_peer}};
  c.details = nullptr;
  session.measure(c);
}

std::string onnx_of(const Trace& trace) {
  onnx::ExportOptions options;
  options.state = [&](std::string_view name) -> std::shared_ptr<const ir::Constant> {
    for (const NamedTensor& t : trace.state()) {
      if (t.name != name) continue;
      auto host = std::make_shared<runtime::HostTensor>(runtime::to_host(t.tensor.detach()));
      return ir::make_constant(host->dtype, host->shape, {host, host->bytes.data()});
    }
    return nullptr;
  };
  std::string bytes;
  onnx::export_onnx(trace.graph(), options, [&](std::span<const std::byte> b) {
    bytes.append(reinterpret_cast<const char*>(b.data()), b.size());
  });
  return bytes;
}

void measure_resnet18(Session& session, const Options& options) {
  if (!session.wants("inference", "resnet18", "batch 1")) return;
  const Model model = make_resnet18();
  const Trace trace = trace_model(model);
  Compiled program(trace, kStrict);
  Generator rng(3);
  const Tensor x = randn(model.inputs.front().tensor.sizes(), rng);
  const Tensor in[] = {x};
  const std::vector<float> logits = program(in).front().to_vector<float>();

  std::vector<Peer> peers;
  const auto add = [&](const std::string& name, const Inference& peer) {
    peer.run();
    require_close(cat("logits of Etch and ", name), logits, peer.result(), 1e-3f);
    peers.push_back({name, 0, peer.run});
  };
  if (!ort_peer::library().empty()) {
    add("ONNX Runtime",
        ort_peer::model(onnx_of(trace), options.threads, "x", {x.sizes().begin(), x.sizes().end()},
                        x.data<float>(), "logits", logits.size()));
  }
  add("libtorch", torch_peer::resnet18(weights_of(model.state), x.sizes()[2], x.data<float>()));
  Case c;
  c.group = "inference", c.name = "resnet18", c.size = "batch 1";
  c.own = [&] { program(in); };
  c.peers = std::move(peers);
  c.details = [&](double) { return kernel_details(program.stats()); };
  session.measure(c);
}

void run(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--start-up") == 0) return print_start_up(argv[2]);
  const Options options = parse_options("model_bench", argc, argv);
  // With more threads, waiting OpenMP workers would take the cores from OpenBLAS's and Etch's.
  if (options.threads > 1) setenv("OMP_WAIT_POLICY", "PASSIVE", 0);
  use_fair_environment(options, argv);
  set_num_threads(options.threads);
  std::string facts = cat("\"libtorch\": \"", torch_peer::version(), "\"");
  if (!ort_peer::library().empty()) {
    facts += cat(", \"ONNX Runtime\": \"", ort_peer::version(), "\"");
  }
  Session session("model_bench", options, facts);
  for (const char* model : {"resnet18", "digits step"}) {
    measure_start_up(session, model, std::min(options.rounds, 5));
  }
  measure_digits(session);
  measure_resnet18(session, options);
}

}  // namespace

}  // namespace etch::bench

int main(int argc, char** argv) {
  return etch::bench::run_program([&] { etch::bench::run(argc, argv); });
}
