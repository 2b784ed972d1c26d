#include "tools/cli/engine.h"

#include <chrono>

#include "codegen/program_source.h"
#include "passes/pipeline.h"
#include "runtime/program/evaluator.h"
#include "tools/cli/text.h"

namespace etch::cli {

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::vector<Tensor> bare(const std::vector<NamedTensor>& inputs) {
  std::vector<Tensor> out;
  for (const NamedTensor& i : inputs) out.push_back(i.tensor);
  return out;
}

std::vector<NamedTensor> named(const ir::Graph& g, std::vector<Tensor> values) {
  std::vector<NamedTensor> out;
  size_t next = 0;
  for (const ir::GraphResult& r : g.results()) {
    if (r.for_caller()) out.push_back({r.name, std::move(values[next++])});
  }
  return out;
}

RunResult run_source(const LoadedModel& model, Engine engine,
                     const std::vector<NamedTensor>& inputs, bool strict, Level level) {
  StateGuard guard(model.source->state);
  RunResult out;
  Clock::time_point start = Clock::now();
  if (engine == Engine::Eager) {
    out.outputs = model.source->function(bare(inputs));
    for (NamedTensor& o : out.outputs) o.tensor = o.tensor.detach().clone();
    out.run_ms = ms_since(start);
    return out;
  }
  Trace trace = trace_model(model, inputs);
  CompileOptions options;
  options.mode = engine == Engine::Jit ? CompileMode::Sync : CompileMode::Interpret;
  options.strict = strict;
  options.level = out.level = level;
  Compiled program(trace, options);
  out.prepare_ms = ms_since(start);
  start = Clock::now();
  out.outputs = named(trace.graph(), program(bare(inputs)));
  out.run_ms = ms_since(start);
  out.stats = program.stats();
  return out;
}

RunResult run_artifact(const LoadedModel& model, Engine engine,
                       const std::vector<NamedTensor>& inputs, bool strict,
                       std::optional<Level> level) {
  const runtime::Artifact& artifact = *model.artifact;
  bool as_recorded = engine == Engine::Eager && artifact.traced.has_value();
  const ir::Graph& graph = as_recorded ? *artifact.traced : artifact.graph;
  RunResult out;
  Clock::time_point start = Clock::now();
  codegen::CompileSettings settings;
  settings.strict = strict;
  codegen::CompiledKernels kernels(settings);
  runtime::BuildOptions build;
  if (engine != Engine::Eager) build.level = out.level = level.value_or(artifact.level);
  build.vendor_optional = !level;
  if (engine == Engine::Jit) {
    build.kernels = &kernels;
    build.strict = strict;
  }
  runtime::Program program = runtime::Program::build(graph, build);
  runtime::Context context(program);
  runtime::State state = artifact.state;
  out.prepare_ms = ms_since(start);
  start = Clock::now();
  out.outputs = named(graph, program.run(state, context, bare(inputs)));
  out.run_ms = ms_since(start);
  runtime::ProgramStats s = program.stats();
  out.stats = {s.kernels, s.native_runs, s.interpreted_runs,
               engine == Engine::Jit ? s.kernels - s.native : 0, s.vendor_runs};
  return out;
}

}  // namespace

std::string_view name(Engine e) {
  return e == Engine::Eager ? "eager" : e == Engine::Interpret ? "interpret" : "jit";
}

std::optional<Engine> engine_from_name(std::string_view text) {
  for (Engine e : {Engine::Eager, Engine::Interpret, Engine::Jit}) {
    if (name(e) == text) return e;
  }
  return std::nullopt;
}

std::optional<Level> parse_level(const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::optional<Level> level = level_from_name(text);
  if (!level) {
    const std::vector<std::string> known = {"exact", "fast"};
    fail("usage", cat("--level ", text, ": there is no such level"),
         nearest_hint(text, known, "levels"));
  }
  return level;
}

RunResult run_engine(const LoadedModel& model, Engine engine,
                     const std::vector<NamedTensor>& inputs, bool strict,
                     std::optional<Level> level) {
  if (engine == Engine::Eager && level == Level::Fast) {
    fail("usage", "--level fast: eager operators are always exact", "Take jit or interpret");
  }
  return model.source ? run_source(model, engine, inputs, strict, level.value_or(Level::Exact))
                      : run_artifact(model, engine, inputs, strict, level);
}

Optimized optimize_graph(const ir::Graph& graph) {
  Optimized out{graph, ""};
  runtime::ProgramEvaluator evaluator;
  passes::PassOptions options;
  options.context.evaluator = &evaluator;
  out.report = passes::to_text(passes::optimize(out.graph, options));
  return out;
}

}  // namespace etch::cli
