#include "tools/difffuzz/run.h"

#include <cmath>
#include <cstring>

#include "codegen/program_source.h"
#include "etch/autograd.h"
#include "passes/batch.h"
#include "runtime/eager.h"
#include "runtime/program/evaluator.h"
#include "runtime/program/program.h"
#include "tracer/check.h"

namespace etch::difffuzz {
namespace {

using ir::Value;

Tensor tensor_of(const ir::Constant& c) { return from_bytes(c.data.get(), c.sizes, c.dtype); }

std::vector<Tensor> input_tensors(const Sample& s) {
  std::vector<Tensor> out;
  for (const auto& c : s.inputs) out.push_back(tensor_of(*c));
  return out;
}

/// Node by node through the eager runtime.
std::vector<Tensor> run_eager(const Sample& s) {
  NoGrad no_grad;
  std::unordered_map<Value, Tensor, ir::ValueHash> values;
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    values[s.graph.inputs()[i].value] = tensor_of(*s.inputs[i]);
  }
  for (ir::NodeId id : s.graph) {
    const ir::Node& n = s.graph.node(id);
    if (ir::is_input(n)) continue;
    std::vector<Tensor> in;
    for (Value v : n.inputs) in.push_back(values.at(v));
    const ir::NoAttrs none;
    const void* attrs = n.attrs.count() == 0 ? &none : n.attrs.data();
    std::vector<Tensor> out = runtime::apply(*n.op, in, attrs);
    for (uint32_t i = 0; i < out.size(); ++i) values[{id, i}] = out[i];
  }
  std::vector<Tensor> results;
  for (const ir::GraphResult& r : s.graph.results()) results.push_back(values.at(r.value));
  return results;
}

/// Passes kernels through a planted bug on their way to the compiler.
class PlantedKernels : public codegen::CompiledKernels {
 public:
  PlantedKernels(codegen::CompileSettings settings, codegen::KernelCompiler& compiler,
                 const Plant& plant)
      : CompiledKernels(std::move(settings), compiler), plant_(plant) {}
  void request(const ir::loop::Kernel& kernel,
               const std::shared_ptr<runtime::NativeSlot>& slot) override {
    if (!plant_.kernel) return CompiledKernels::request(kernel, slot);
    ir::loop::Kernel changed = kernel;
    plant_.kernel(changed);
    CompiledKernels::request(changed, slot);
  }

 private:
  const Plant& plant_;
};

bool is_special(const Tensor& t) {
  if (!is_float(t.dtype())) return false;
  for (double v : t.to(DType::F64).to_vector<double>()) {
    if (!std::isfinite(v)) return true;
  }
  return false;
}

std::optional<Mismatch> compare(const Sample& s, const std::vector<Tensor>& want,
                                const std::vector<Tensor>& got, const std::string& engine) {
  for (size_t i = 0; i < want.size(); ++i) {
    int64_t at = tracer::first_difference(want[i], got[i]);
    if (at >= 0) return Mismatch{engine, s.graph.results()[i].name, at};
  }
  return std::nullopt;
}

std::vector<Tensor> run_program(const runtime::Program& program, const Sample& s) {
  runtime::Context context(program);
  return program.run(context, input_tensors(s));
}

bool has_fused_reduction(const ir::Graph& g) {
  for (ir::NodeId id : g) {
    if (!ir::is_fusion(g.node(id))) continue;
    const ir::Graph& body = *g.node(id).body;
    size_t work = 0;
    bool reduces = false;
    for (ir::NodeId k : body) {
      const ir::OpDef& op = *body.node(k).op;
      reduces |= op.kind == ir::OpKind::Reduction;
      work += op.kind == ir::OpKind::Reduction || op.is_elementwise();
    }
    if (reduces && work > 1) return true;
  }
  return false;
}

}  // namespace

Engine draw_engine(Random& r) {
  Engine e;
  e.isa = runtime::isa_supported(runtime::Isa::Avx512) && r() % 2 == 0 ? runtime::Isa::Avx512
                                                                       : runtime::Isa::Avx2;
  e.tier = static_cast<int>(r() % 2);
  e.threads = 1 + static_cast<int>(r() % 2);
  e.batch_all = r() % 2 == 0;
  return e;
}

std::string to_text(const Engine& e) {
  return cat("compiled ", runtime::name(e.isa), " tier ", e.tier, " threads ", e.threads,
             e.batch_all ? " batched" : "");
}

namespace {

std::optional<Mismatch> run_engines(const Sample& sample, const std::vector<Tensor>& want,
                                    const Engine& engine, const Plant& plant, Counts& counts) {
  for (const Tensor& t : want) counts.special |= is_special(t);

  runtime::Program raw = runtime::Program::build(sample.graph);
  if (auto m = compare(sample, want, run_program(raw, sample), "interpreter, raw graph")) return m;

  ir::Graph optimized = sample.graph;
  runtime::ProgramEvaluator evaluator;
  passes::PassOptions options;
  options.context.evaluator = &evaluator;
  options.context.least_call_us = 0;
  options.verify_each = true;
  std::vector<passes::Pass> rows(passes::pipeline().begin(), passes::pipeline().end());
  for (passes::Pass& row : rows) {
    if (row.run == &passes::batch && engine.batch_all) row.run = &passes::batch_all;
  }
  for (const passes::PassReport& r : passes::run_passes(optimized, rows, options)) {
    counts.batched |= r.changed && r.name == "batch";
  }
  for (ir::NodeId id : optimized) counts.calls += optimized.node(id).op->is_control();
  counts.fused_reduction = has_fused_reduction(optimized);
  if (plant.graph) plant.graph(optimized);
  runtime::Program interpreted = runtime::Program::build(optimized);
  if (auto m =
          compare(sample, want, run_program(interpreted, sample), "interpreter, after passes")) {
    return m;
  }
  // A compiler of its own without a disk cache, so that planted kernels never reach anybody else.
  static codegen::KernelCompiler* real = new codegen::KernelCompiler(codegen::cpu_backend(), "");
  std::unique_ptr<codegen::KernelCompiler> own;
  if (plant.kernel) own = std::make_unique<codegen::KernelCompiler>(codegen::cpu_backend(), "");
  codegen::CompileSettings settings;
  settings.options.tier = engine.tier;
  settings.target = codegen::target_for(engine.isa);
  PlantedKernels kernels(settings, own ? *own : *real, plant);
  runtime::BuildOptions build;
  build.kernels = &kernels;
  runtime::Program compiled = runtime::Program::build(optimized, build);
  std::vector<Tensor> got = run_program(compiled, sample);
  runtime::ProgramStats stats = compiled.stats();
  counts.fused_kernels = stats.kernels;
  counts.native_runs = stats.native_runs;
  counts.fallbacks = stats.kernels - stats.native;
  return compare(sample, want, got, to_text(engine));
}

}  // namespace

std::optional<Mismatch> run(const Sample& sample, const Engine& engine, const Plant& plant,
                            Counts& counts) {
  runtime::IsaOverride isa(engine.isa);
  set_num_threads(engine.threads);
  std::vector<Tensor> want = run_eager(sample);  // a UserError leaves from here only
  try {
    return run_engines(sample, want, engine, plant, counts);
  } catch (const UserError& e) {
    throw InternalError(cat("eager computed what another engine refused: ", e.what()));
  }
}

}  // namespace etch::difffuzz
