// Machine code for programs: connects the kernel compiler to the runtime's KernelSource.
#pragma once

#include "codegen/compiler.h"
#include "runtime/program/kernel_source.h"

namespace etch::codegen {

/// Fills a program's kernel slots from a KernelCompiler. In background mode slots are filled by
/// poll().
class CompiledKernels : public runtime::KernelSource {
 public:
  explicit CompiledKernels(CompileSettings settings = {},
                           KernelCompiler& compiler = KernelCompiler::instance())
      : settings_(std::move(settings)), compiler_(compiler) {}

  std::shared_ptr<const runtime::NativeKernel> find(const ir::loop::Kernel& kernel) override;
  void request(const ir::loop::Kernel& kernel,
               const std::shared_ptr<runtime::NativeSlot>& slot) override;
  /// Hands finished background compilations to their slots; true when none is left.
  bool poll();

 private:
  struct Pending {
    std::shared_ptr<const CompiledKernel> kernel;
    std::shared_ptr<runtime::NativeSlot> slot;
  };
  CompileSettings settings_;
  KernelCompiler& compiler_;
  std::mutex mutex_;
  std::vector<Pending> pending_;
};

}  // namespace etch::codegen
