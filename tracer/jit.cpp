#include "etch/jit.h"

#include "codegen/program_source.h"
#include "etch/autograd.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "runtime/eager.h"
#include "runtime/program/artifact.h"
#include "runtime/program/evaluator.h"
#include "runtime/program/program.h"
#include "runtime/tensor_impl.h"

namespace etch {

/// A program, its compiled kernels, and its State kept in step with the live tensors.
struct Compiled::Impl {
  Trace trace;
  std::unique_ptr<codegen::CompiledKernels> kernels;
  bool compiling = false;
  std::shared_ptr<const runtime::Program> program;
  runtime::State state;
  std::unique_ptr<runtime::Context> context;
  std::vector<uint32_t> versions;  // of the live tensors when `state` was last equal to them

  void pull() {
    const auto& live = trace.state();
    for (size_t i = 0; i < live.size(); ++i) {
      const runtime::Storage& s = *runtime::impl(live[i].tensor).storage;
      if (versions[i] == s.version) continue;
      state.set(live[i].name, live[i].tensor);
      versions[i] = s.version;
    }
  }
  void push() {
    NoGrad no_grad;
    const auto& live = trace.state();
    for (const ir::GraphResult& r : trace.graph().results()) {
      if (r.state < 0) continue;
      for (size_t i = 0; i < live.size(); ++i) {
        if (live[i].name != r.name) continue;
        Tensor target = live[i].tensor;
        runtime::copy_elements(state.at(static_cast<size_t>(state.find(r.name))), target);
        versions[i] = ++runtime::impl(target).storage->version;
      }
    }
  }
};

Compiled::Compiled(const Trace& trace, const CompileOptions& options)
    : impl_(std::make_shared<Impl>()) {
  impl_->trace = trace;
  ir::Graph g = trace.graph();
  runtime::ProgramEvaluator evaluator;
  passes::PassOptions pass_options;
  pass_options.context.evaluator = &evaluator;
  passes::optimize(g, pass_options);
  runtime::BuildOptions build;
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
  impl_->versions.assign(trace.state().size(), ~uint32_t{0});
}

std::vector<Tensor> Compiled::operator()(std::span<const Tensor> inputs, std::source_location loc) {
  runtime::At at(loc);
  if (impl_->compiling) impl_->compiling = !impl_->kernels->poll();
  for (const Tensor& t : inputs) runtime::require_defined(t, "run");
  impl_->pull();
  std::vector<Tensor> out = impl_->program->run(impl_->state, *impl_->context, inputs);
  impl_->push();
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
          impl_->kernels == nullptr ? 0 : s.kernels - s.native};
}

void Compiled::save(const std::string& path) const {
  impl_->pull();
  runtime::Artifact artifact;
  artifact.graph = impl_->program->graph();
  artifact.traced = impl_->trace.graph();
  artifact.state = impl_->state;
  runtime::save_artifact(path, artifact);
}

std::vector<Tensor> Jit::operator()(std::span<const Tensor> inputs, std::source_location loc) {
  runtime::At at(loc);
  if (inputs.size() != names_.size()) {
    fail("jit", cat("expected ", names_.size(), " inputs, got ", inputs.size()), "", loc);
  }
  for (Entry& e : entries_) {
    bool same = true;
    for (size_t i = 0; i < inputs.size() && same; ++i) {
      const runtime::TensorImpl& t = runtime::impl(inputs[i]);
      same = t.dtype == e.dtypes[i] && t.sizes.size() == e.sizes[i].size();
      for (size_t a = 0; a < t.sizes.size() && same; ++a) {
        same = e.sizes[i][a] < 0 || e.sizes[i][a] == t.sizes[a];
      }
    }
    if (same) return e.program(inputs, loc);
  }
  // A new signature: the function runs for real, recording; its own results are the answer.
  std::vector<NamedTensor> named;
  Entry e;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const runtime::TensorImpl& t = runtime::impl(inputs[i]);
    named.push_back({names_[i], inputs[i]});
    e.dtypes.push_back(t.dtype);
    e.sizes.push_back(t.sizes);
    for (const DynamicDim& d : trace_.dynamic) {
      if (d.input != names_[i]) continue;
      e.sizes[i][static_cast<size_t>(d.axis < 0 ? d.axis + static_cast<int64_t>(t.sizes.size())
                                                : d.axis)] = -1;
    }
  }
  Trace trace = trace_flat(f_, named, trace_);
  e.program = Compiled(trace, compile_);
  entries_.push_back(std::move(e));
  return trace.example_results();
}

const Compiled& Jit::program() const {
  if (entries_.empty()) fail("jit", "nothing was recorded yet", "Call the function once");
  return entries_.front().program;
}

CompiledStats Jit::stats() const {
  CompiledStats total;
  for (const Entry& e : entries_) {
    CompiledStats s = e.program.stats();
    total.kernels_built += s.kernels_built;
    total.kernels_run += s.kernels_run;
    total.interpreted_run += s.interpreted_run;
    total.fallbacks += s.fallbacks;
  }
  return total;
}

}  // namespace etch
