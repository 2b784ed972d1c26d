#include "runtime/module.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <vector>

#include "ir/support/text.h"

namespace etch::runtime {

namespace {

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::vector<std::string> candidates(const std::string& file, const char* variable,
                                    const void* self) {
  if (const char* path = std::getenv(variable); path != nullptr && *path != '\0') {
    std::string p = path;
    if (p.size() > 3 && p.ends_with(".so")) return {p};
    return {cat(p, '/', file)};
  }
  std::vector<std::string> out;
  Dl_info info{};
  if (dladdr(self, &info) != 0 && info.dli_fname != nullptr) {
    std::string beside = folder_of(info.dli_fname);
    out.push_back(cat(beside, '/', file));
    out.push_back(cat(beside, "/etch/", file));
  }
  char exe[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n > 0) {
    std::string bin = folder_of(std::string(exe, static_cast<size_t>(n)));
    for (const char* at : {"/", "/lib/", "/../lib/", "/../../lib/"}) {
      out.push_back(cat(bin, at, file));
    }
  }
  return out;
}

}  // namespace

void* open_module(const std::string& file, const char* variable, const void* self,
                  std::string& error) {
  std::string tried;
  for (const std::string& path : candidates(file, variable, self)) {
    tried += cat("\n  ", path);
    if (access(path.c_str(), R_OK) != 0) continue;
    // Local: a module's symbols must not meet those of other libraries in the process.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) error = cat("cannot open ", path, ": ", dlerror());
    return handle;
  }
  error = cat(file, " is missing, looked for:", tried);
  return nullptr;
}

}  // namespace etch::runtime
