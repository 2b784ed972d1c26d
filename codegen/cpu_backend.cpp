// Native code for this machine: LLVM compiles, Etch's own loader maps. Loading a cached object
// never opens LLVM.
#include "codegen/backend.h"
#include "codegen/object.h"
#include "ir/support/error.h"

#ifndef ETCH_LLVM_VERSION
#define ETCH_LLVM_VERSION "19"
#endif

namespace etch::codegen {

namespace {

class NativeCode final : public LoadedCode {
 public:
  explicit NativeCode(const CompiledObject& object) : mapped_(object.bytes) {
    for (const EntryInfo& e : object.entries) {
      void* at = mapped_.find(e.symbol);
      if (at == nullptr) {
        throw UserError(cat("[kernel object] no function '", e.symbol, "'"), ErrorKind::Unreadable);
      }
      entries_.push_back(reinterpret_cast<ir::loop::KernelFn>(at));
    }
  }
  ir::loop::KernelFn entry(size_t i) const override { return entries_.at(i); }

 private:
  MappedObject mapped_;
  std::vector<ir::loop::KernelFn> entries_;
};

class CpuBackend final : public Backend {
 public:
  std::string_view name() const override { return "llvm"; }
  std::string version() const override {
    return cat("llvm ", ETCH_LLVM_VERSION, " generator ", kGeneratorVersion);
  }
  std::string why_unavailable() override {
    try {
      llvm_module();
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  }
  std::string compile(std::span<const KernelPlan> kernels, const Target& target,
                      const CompileOptions& options, CompiledObject& out) override {
    std::string reason;
    return llvm_module().compile(kernels, target, options, out, reason) ? "" : reason;
  }
  std::shared_ptr<const LoadedCode> load(const CompiledObject& object) override {
    return std::make_shared<NativeCode>(object);
  }
};

}  // namespace

Backend& cpu_backend() {
  static CpuBackend* const backend = new CpuBackend;
  return *backend;
}

Target target_for(runtime::Isa isa) {
  switch (isa) {
    case runtime::Isa::Avx512:
      return {isa, "x86-64-v4", "-prefer-256-bit"};
    case runtime::Isa::Avx2:
      return {isa, "x86-64-v3", ""};
    default:
      return {isa, "x86-64-v2", ""};
  }
}

std::string target_key(const Target& t) {
  return cat(runtime::name(t.isa), ' ', t.cpu, ' ', t.features);
}

}  // namespace etch::codegen
