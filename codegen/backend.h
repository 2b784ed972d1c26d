// The interface between loop kernels and whatever turns them into machine code.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/lines.h"
#include "codegen/plan.h"
#include "runtime/isa.h"

namespace etch::codegen {

/// What code is generated for. Text fields are LLVM's spelling; both end up in cache keys.
struct Target {
  runtime::Isa isa = runtime::Isa::Avx2;
  std::string cpu;       // "x86-64-v3", a CPU name, or a GPU architecture
  std::string features;  // "+avx512f,+avx512dq"
};
/// The portable target of a tier; results are the same on every one.
Target target_for(runtime::Isa isa);
/// A text that differs whenever generated code may.
std::string target_key(const Target& t);

struct CompileOptions {
  int tier = 1;  // 0: ready soonest, 1: runs fastest
  bool operator==(const CompileOptions&) const = default;
};

/// One entry point of an object and the scratch memory that its calls need.
struct EntryInfo {
  std::string symbol;
  int64_t scratch_fixed = 0;      // bytes
  int64_t scratch_per_inner = 0;  // bytes for each inner point
  int64_t scratch_bytes(int64_t inner_points) const {
    return scratch_fixed + scratch_per_inner * inner_points;
  }
};

/// Compiled kernels in the back end's container (an ELF object, a cubin): can be stored and loaded
/// by another process.
struct CompiledObject {
  std::string bytes;
  std::vector<EntryInfo> entries;  // in the order of the kernels given
};

/// Code in executable memory; unmapped with the last handle.
class LoadedCode {
 public:
  virtual ~LoadedCode() = default;
  /// Entry point i of the object.
  virtual ir::loop::KernelFn entry(size_t i) const = 0;
};

/// A code generator. All functions may be called from several threads at once.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  /// Identifies the generator for cache keys; does not load it.
  virtual std::string version() const = 0;
  /// Why compile() cannot work in this process, or "". May load the generator.
  virtual std::string why_unavailable() = 0;
  /// All kernels into one object. Returns "" or why a kernel is not supported; throws UserError
  /// (Unavailable) when the generator is missing.
  virtual std::string compile(std::span<const KernelPlan> kernels, const Target& target,
                              const CompileOptions& options, CompiledObject& out) = 0;
  /// Maps an object that compile() made, here or in another process. Does not need the generator.
  /// Throws UserError (Unavailable) when executable memory is refused, (Unreadable) when damaged.
  virtual std::shared_ptr<const LoadedCode> load(const CompiledObject& object) = 0;
};

/// Code for this processor, through LLVM. The LLVM module is opened by the first compile().
Backend& cpu_backend();

/// What the LLVM module (lib/etch_llvm.so) exports as etch_llvm_backend().
struct LlvmModule {
  int abi = 0;  // kLlvmModuleAbi of the module
  const char* llvm_version = "";
  /// Returns false with `reason` for kernels outside the supported set.
  bool (*compile)(std::span<const KernelPlan> kernels, const Target& target,
                  const CompileOptions& options, CompiledObject& out,
                  std::string& reason) = nullptr;
  /// The LLVM IR of the kernels, for people.
  std::string (*print)(std::span<const KernelPlan> kernels, const Target& target,
                       const CompileOptions& options) = nullptr;
  /// The source line of the code at `offset` in a file of machine code, the innermost one outside
  /// of files whose names end with `not_in`; false when it is not known.
  bool (*locate)(const char* object, uint64_t offset, std::string_view not_in,
                 CodeLine& out) = nullptr;
};
inline constexpr int kLlvmModuleAbi = 2;
/// Changes with every change of generated code.
inline constexpr std::string_view kGeneratorVersion = "2";
/// The opened module; throws UserError (Unavailable) naming the places searched.
const LlvmModule& llvm_module();

}  // namespace etch::codegen
