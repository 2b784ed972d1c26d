// What programs gain from weights that are packed once: the same program beside itself without.
//   packed_weights_bench [--threads N] [--rounds N] [--only TEXT]
#include "bench/measure.h"
#include "codegen/program_source.h"
#include "etch/ops.h"
#include "etch/random.h"
#include "passes/pipeline.h"
#include "runtime/program/evaluator.h"
#include "runtime/program/program.h"
#include "tools/zoo/zoo.h"

namespace etch::bench {
namespace {

/// A traced model as a program of compiled kernels, with the State it reads.
class Model {
 public:
  Model(const Trace& trace, bool pack) : program_(build(trace, pack)), context_(program_) {
    for (const NamedTensor& s : trace.state()) state_.set(s.name, s.tensor);
    for (const NamedTensor& n : trace.example_inputs()) inputs_.push_back(n.tensor);
  }
  void run() { program_.run(static_cast<const runtime::State&>(state_), context_, inputs_); }
  size_t packed_bytes() const { return state_.packed_bytes() + program_.stats().packed_bytes; }

 private:
  runtime::Program build(const Trace& trace, bool pack) {
    ir::Graph g = trace.graph();
    runtime::ProgramEvaluator evaluator;
    passes::PassOptions options;
    options.context.evaluator = &evaluator;
    passes::optimize(g, options);
    return runtime::Program::build(std::move(g), {.kernels = &kernels_, .pack_weights = pack});
  }

  codegen::CompiledKernels kernels_;
  runtime::Program program_;
  runtime::Context context_;
  runtime::State state_;
  std::vector<Tensor> inputs_;
};

/// The zoo's model `name` with some parameters, recorded on random rows.
Trace zoo_trace(std::string_view name, int64_t batch,
                const std::vector<std::pair<std::string, int64_t>>& values) {
  for (const ModelEntry& entry : zoo::models()) {
    if (entry.name != name) continue;
    std::vector<ModelParameter> parameters = entry.parameters;
    for (ModelParameter& p : parameters) {
      for (const auto& [key, value] : values) {
        if (p.name == key) p.value = value;
      }
    }
    etch::Model model = entry.make(ModelParameters(parameters));
    Generator rng(7);
    for (NamedTensor& in : model.inputs) {
      Shape shape;
      for (int64_t i = 0; i < in.tensor.dim(); ++i) shape.push_back(in.tensor.size(i));
      shape[0] = Dim(batch);
      in.tensor = randn(shape, rng);
    }
    NoGrad no_grad;
    TraceOptions options;
    options.state = model.state;
    return trace_flat(model.function, model.inputs, options);
  }
  fail("packed_weights_bench", cat("there is no model '", name, "'"));
}

void measure(Session& session, const std::string& model, const std::string& label,
             const std::vector<std::pair<std::string, int64_t>>& parameters) {
  for (int64_t batch : {1, 8}) {
    const std::string size = cat("batch ", batch);
    if (!session.wants("packed weights", label, size)) continue;
    const Trace trace = zoo_trace(model, batch, parameters);
    auto packed = std::make_shared<Model>(trace, true);
    auto plain = std::make_shared<Model>(trace, false);
    Case c;
    c.group = "packed weights";
    c.name = label;
    c.size = size;
    c.own = [=] { packed->run(); };
    c.peers = {{"packed in every call", 1, [=] { plain->run(); }}};
    c.details = [=](double) { return cat("\"packed_bytes\": ", packed->packed_bytes()); };
    session.measure(c);
  }
}

}  // namespace
}  // namespace etch::bench

int main(int argc, char** argv) {
  using namespace etch::bench;
  return run_program([&] {
    const Options options = parse_options("packed_weights_bench", argc, argv);
    use_fair_environment(options, argv);
    etch::set_num_threads(options.threads);
    Session session("packed_weights_bench", options, "");
    measure(session, "mlp", "mlp 64-128-10", {});
    measure(session, "mlp", "mlp 768-3072-768",
            {{"features", 768}, {"hidden", 3072}, {"classes", 768}});
    measure(session, "resnet18", "resnet18 at 224", {});
  });
}
