// What Compiled points to; jit runs it guard by guard.
#pragma once

#include <optional>

#include "codegen/program_source.h"
#include "etch/jit.h"
#include "runtime/program/program.h"

namespace etch {

/// A program, its compiled kernels, and its State kept in step with the live tensors.
struct Compiled::Impl {
  /// Runs, and answers the guard that did not hold; then nothing has changed.
  std::optional<runtime::GuardMiss> try_run(std::span<const Tensor> inputs,
                                            std::vector<Tensor>& results);
  void attach();
  void pull();
  void push();

  Trace trace;
  std::unique_ptr<codegen::CompiledKernels> kernels;
  bool compiling = false;
  Level level = Level::Exact;
  std::shared_ptr<const runtime::Program> program;
  runtime::State state;
  std::unique_ptr<runtime::Context> context;
  std::vector<uint32_t> versions;  // of the live tensors when `state` last knew them
  std::vector<size_t> written;     // indices of those that runs change
};

}  // namespace etch
