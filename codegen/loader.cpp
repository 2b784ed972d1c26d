// Finds and opens the LLVM module, once, on first use.
#include <dlfcn.h>

#include "codegen/backend.h"
#include "ir/support/error.h"
#include "runtime/module.h"

namespace etch::codegen {

namespace {

struct Opened {
  const LlvmModule* module = nullptr;
  std::string error;
};

Opened open_llvm() {
  Opened out;
  void* handle = runtime::open_module("etch_llvm.so", "ETCH_LLVM_PATH",
                                      reinterpret_cast<const void*>(&llvm_module), out.error);
  if (handle == nullptr) {
    out.error = cat("the LLVM module cannot be used: ", out.error);
    return out;
  }
  auto get = reinterpret_cast<const LlvmModule* (*)()>(dlsym(handle, "etch_llvm_backend"));
  if (get == nullptr) return {nullptr, "etch_llvm.so is not Etch's LLVM module"};
  const LlvmModule* module = get();
  if (module->abi != kLlvmModuleAbi) {
    return {nullptr, cat("etch_llvm.so has interface ", module->abi, ", needed ", kLlvmModuleAbi)};
  }
  out.module = module;
  return out;
}

const Opened& opened() {
  // Never destroyed: a background compile may outlive static destruction.
  static const Opened* const o = new Opened(open_llvm());
  return *o;
}

}  // namespace

const LlvmModule& llvm_module() {
  const Opened& o = opened();
  if (o.module == nullptr) {
    throw UserError(cat("[codegen] ", o.error, "\n  set ETCH_LLVM_PATH, or run without compiling"),
                    ErrorKind::Unavailable);
  }
  return *o.module;
}

}  // namespace etch::codegen
