// Finds and opens the LLVM module, once, on first use.
#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <mutex>

#include "codegen/backend.h"
#include "ir/support/error.h"

namespace etch::codegen {

namespace {

constexpr const char* kFile = "etch_llvm.so";

std::string folder_of(std::string path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/// Where the module may lie, in order. ETCH_LLVM_PATH names the file or its folder, and nothing
/// else is tried then.
std::vector<std::string> candidates() {
  if (const char* path = std::getenv("ETCH_LLVM_PATH"); path != nullptr && *path != '\0') {
    std::string p = path;
    if (p.size() > 3 && p.ends_with(".so")) return {p};
    return {cat(p, '/', kFile)};
  }
  std::vector<std::string> out;
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&llvm_module), &self) != 0 && self.dli_fname != nullptr) {
    std::string beside = folder_of(self.dli_fname);
    out.push_back(cat(beside, '/', kFile));
    out.push_back(cat(beside, "/etch/", kFile));
  }
  char exe[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n > 0) {
    std::string bin = folder_of(std::string(exe, static_cast<size_t>(n)));
    for (const char* at : {"/", "/lib/", "/../lib/", "/../../lib/"})
      out.push_back(cat(bin, at, kFile));
  }
  return out;
}

struct Opened {
  const LlvmModule* module = nullptr;
  std::string error;
};

Opened open_module() {
  std::string tried;
  for (const std::string& path : candidates()) {
    tried += cat("\n  ", path);
    if (access(path.c_str(), R_OK) != 0) continue;
    // Local: LLVM's symbols must not meet those of another LLVM in the process.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return {nullptr, cat("cannot open the LLVM module: ", dlerror())};
    auto get = reinterpret_cast<const LlvmModule* (*)()>(dlsym(handle, "etch_llvm_backend"));
    if (get == nullptr) return {nullptr, cat(path, " is not Etch's LLVM module")};
    const LlvmModule* module = get();
    if (module->abi != kLlvmModuleAbi) {
      return {nullptr, cat(path, " has interface ", module->abi, ", needed ", kLlvmModuleAbi)};
    }
    return {module, ""};
  }
  return {nullptr, cat("the LLVM module is missing, looked for:", tried)};
}

const Opened& opened() {
  // Never destroyed: a background compile may outlive static destruction.
  static const Opened* const o = new Opened(open_module());
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
