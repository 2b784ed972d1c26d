// Compiled: a trace joined to passes, machine code, program and the live tensors of its state.
#include "tracer/jit_compiled.h"

#include "etch/autograd.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "runtime/eager.h"
#include "runtime/program/artifact.h"
#include "runtime/program/evaluator.h"
#include "runtime/recorder.h"
#include "runtime/tensor_impl.h"

namespace etch {

/// Live tensors are the State's own, except windows that are not dense: those it holds copies of.
void Compiled::Impl::attach() {
  const std::vector<NamedTensor>& live = trace.state();
  for (size_t i = 0; i < live.size(); ++i) {
    const runtime::TensorImpl& t = runtime::impl(live[i].tensor);
    t.contiguous ? state.attach(live[i].name, live[i].tensor)
                 : state.set(live[i].name, live[i].tensor);
    versions.push_back(t.storage->version);
  }
  for (const ir::GraphResult& r : trace.graph().results()) {
    for (size_t i = 0; i < live.size(); ++i) {
      if (r.state >= 0 && live[i].name == r.name) written.push_back(i);
    }
  }
}

/// Notes what others have written to live tensors since the last run.
void Compiled::Impl::pull() {
  const std::vector<NamedTensor>& live = trace.state();
  for (size_t i = 0; i < live.size(); ++i) {
    const runtime::TensorImpl& t = runtime::impl(live[i].tensor);
    // Copies of windows miss what the host writes through a pointer; live memory shows it.
    const bool unseen = !t.contiguous && t.storage->exposed.load(std::memory_order_relaxed);
    if (versions[i] == t.storage->version && !unseen) continue;
    t.contiguous ? state.touch(i) : state.set(live[i].name, live[i].tensor);
    versions[i] = t.storage->version;
  }
}

/// Counts what the run has written, as any write in place does.
void Compiled::Impl::push() {
  for (size_t i : written) versions[i] = ++runtime::impl(trace.state()[i].tensor).storage->version;
}

std::optional<runtime::GuardMiss> Compiled::Impl::try_run(std::span<const Tensor> inputs,
                                                          std::vector<Tensor>& results) {
  if (compiling) compiling = !kernels->poll();
  pull();
  std::optional<runtime::GuardMiss> miss = program->try_run(state, *context, inputs, results);
  if (!miss) push();
  return miss;
}

Compiled::Compiled(const Trace& trace, const CompileOptions& options)
    : impl_(std::make_shared<Impl>()) {
  impl_->trace = trace;
  runtime::ProgramEvaluator evaluator;
  passes::PassOptions pass_options;
  pass_options.context.evaluator = &evaluator;
  ir::Graph g = passes::optimized(trace.graph(), pass_options);
  runtime::BuildOptions build;
  build.level = impl_->level = options.level;
  if (options.mode != CompileMode::Interpret) {
    codegen::CompileSettings settings;
    settings.mode = options.mode == CompileMode::Sync ? codegen::CompileMode::Sync
                                                      : codegen::CompileMode::Background;
    settings.strict = options.strict;
    settings.options.tier = options.tier;
    impl_->kernels = std::make_unique<codegen::CompiledKernels>(settings);
    impl_->compiling = options.mode == CompileMode::Background;
    build.kernels = impl_->kernels.get();
    build.strict = options.strict && options.mode == CompileMode::Sync;
  }
  impl_->program =
      std::make_shared<const runtime::Program>(runtime::Program::build(std::move(g), build));
  impl_->context = std::make_unique<runtime::Context>(*impl_->program);
  impl_->attach();
}

std::vector<Tensor> Compiled::operator()(std::span<const Tensor> inputs, std::source_location loc) {
  runtime::At at(loc);
  if (auto* r = runtime::recorder()) r->unrecordable("the call of a compiled program", loc);
  for (const Tensor& t : inputs) {
    runtime::require_defined(t, "run");
    if (grad_enabled() && t.requires_grad()) {
      fail("run", "an input requires a gradient, which a compiled program does not carry",
           "Detach it, call inside NoGrad, or trace the backward pass too", loc);
    }
  }
  for (size_t i : impl_->written) {
    const NamedTensor& w = impl_->trace.state()[i];
    for (const Tensor& t : inputs) {
      if (runtime::impl(t).storage != runtime::impl(w.tensor).storage) continue;
      fail("run", cat("an input shares its buffer with ", w.name, ", which the program changes"),
           "Pass a clone", loc);
    }
  }
  std::vector<Tensor> out;
  impl_->program->require(impl_->try_run(inputs, out));
  return out;
}

Tensor Compiled::operator()(const Tensor& x, std::source_location loc) {
  return std::move((*this)({&x, 1}, loc).front());
}

const ir::Graph& Compiled::optimized() const { return impl_->program->graph(); }
std::string Compiled::summary() const { return ir::summary(optimized()); }
const Trace& Compiled::trace() const { return impl_->trace; }

CompiledStats Compiled::stats() const {
  runtime::ProgramStats s = impl_->program->stats();
  return {s.kernels, s.native_runs, s.interpreted_runs,
          impl_->kernels == nullptr ? 0 : s.kernels - s.native, s.vendor_runs};
}

void Compiled::save(const std::string& path) const {
  impl_->pull();
  runtime::Artifact artifact;
  artifact.graph = impl_->program->graph();
  artifact.traced = impl_->trace.graph();
  artifact.state = impl_->state;
  artifact.level = impl_->level;
  runtime::save_artifact(path, artifact);
}

}  // namespace etch
