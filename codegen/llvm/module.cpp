// The LLVM back end's module: kernels to ELF objects, and the one symbol that Etch looks up.
#include <mutex>

#include <llvm/ADT/SmallString.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CodeGen.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>

#include "codegen/llvm/emitter.h"
#include "codegen/llvm/lines.h"

namespace etch::codegen {

namespace {

constexpr const char* kTriple = "x86_64-unknown-linux-gnu";

std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target, const CompileOptions& o) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    // Addresses are emitted in the form the processor has; rewriting them takes half of a compile.
    auto& flags = llvm::cl::getRegisteredOptions();
    if (auto it = flags.find("disable-lsr"); it != flags.end()) {
      static_cast<llvm::cl::opt<bool>*>(it->second)->setValue(true);
    }
  });
  std::string error;
  const llvm::Target* t = llvm::TargetRegistry::lookupTarget(kTriple, error);
  if (t == nullptr) return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  options.TrapUnreachable = false;
  auto level = o.tier == 0 ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Default;
  return std::unique_ptr<llvm::TargetMachine>(
      t->createTargetMachine(kTriple, target.cpu, target.features, options, llvm::Reloc::PIC_,
                             llvm::CodeModel::Small, level, /*JIT=*/false));
}

/// This thread's machine for a target: making one costs as much as a small kernel.
llvm::TargetMachine* machine_for(const Target& target, const CompileOptions& o) {
  struct Kept {
    std::string key;
    std::unique_ptr<llvm::TargetMachine> machine;
  };
  thread_local Kept kept[2];  // one per tier
  Kept& k = kept[o.tier == 0 ? 0 : 1];
  std::string key = target.cpu + " " + target.features;
  if (k.machine == nullptr || k.key != key) {
    k.machine = make_machine(target, o);
    k.key = std::move(key);
  }
  return k.machine.get();
}

/// Builds the IR of all kernels; false with a reason when one is not supported.
bool build(llvm::Module& module, std::span<const KernelPlan> kernels, const Target& target,
           const CompileOptions& options, std::vector<EntryInfo>& entries, std::string& reason) {
  for (size_t i = 0; i < kernels.size(); ++i) {
    entries.push_back({.symbol = cat("k", i)});
    Emitter(module, kernels[i], target, options, entries.back()).run();
  }
  llvm::raw_string_ostream out(reason);
  if (!llvm::verifyModule(module, &out)) return true;
  reason = "invalid IR: " + reason;
  return false;
}

bool compile(std::span<const KernelPlan> kernels, const Target& target,
             const CompileOptions& options, CompiledObject& out, std::string& reason) {
  if (target.isa == runtime::Isa::Generic) {
    reason = "native code starts at AVX2";
    return false;
  }
  llvm::TargetMachine* machine = machine_for(target, options);
  if (machine == nullptr) {
    reason = "LLVM has no x86-64 target";
    return false;
  }
  llvm::LLVMContext context;
  llvm::Module module("kernels", context);
  module.setTargetTriple(kTriple);
  module.setDataLayout(machine->createDataLayout());
  out.entries.clear();
  if (!build(module, kernels, target, options, out.entries, reason)) return false;
  llvm::SmallString<0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile,
                                   /*DisableVerify=*/true)) {
    reason = "LLVM cannot emit objects";
    return false;
  }
  passes.run(module);
  out.bytes.assign(object.begin(), object.end());
  return true;
}

std::string print(std::span<const KernelPlan> kernels, const Target& target,
                  const CompileOptions& options) {
  llvm::LLVMContext context;
  llvm::Module module("kernels", context);
  std::vector<EntryInfo> entries;
  std::string reason, text;
  build(module, kernels, target, options, entries, reason);
  llvm::raw_string_ostream out(text);
  module.print(out, nullptr);
  return text + reason;
}

}  // namespace

}  // namespace etch::codegen

extern "C" __attribute__((visibility("default"))) const etch::codegen::LlvmModule*
etch_llvm_backend() {
  static const etch::codegen::LlvmModule module{etch::codegen::kLlvmModuleAbi, LLVM_VERSION_STRING,
                                                &etch::codegen::compile, &etch::codegen::print,
                                                &etch::codegen::locate};
  return &module;
}
