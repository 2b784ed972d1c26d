#include "runtime/contraction_library.h"

#include <dlfcn.h>

#include "runtime/module.h"

namespace etch::runtime {

namespace {

struct Opened {
  const ContractionLibrary* vendor = nullptr;
  std::string error;
};

Opened open_library() {
  Opened out;
  void* handle = open_module("etch_onednn.so", "ETCH_ONEDNN_PATH",
                             reinterpret_cast<const void*>(&contraction_library), out.error);
  if (handle == nullptr) return out;
  using Get = const ContractionLibrary* (*)();
  auto get = reinterpret_cast<Get>(dlsym(handle, "etch_contraction_library"));
  const ContractionLibrary* library = get == nullptr ? nullptr : get();
  if (library == nullptr || library->abi != kContractionLibraryAbi) {
    out.error = "etch_onednn.so belongs to another version of Etch";
    return out;
  }
  out.vendor = library;
  return out;
}

const Opened& opened() {
  // Never destroyed: programs may run in static destructors.
  static const Opened* const o = new Opened(open_library());
  return *o;
}

}  // namespace

const ContractionLibrary* contraction_library() { return opened().vendor; }
std::string why_no_contraction_library() { return opened().error; }

}  // namespace etch::runtime
