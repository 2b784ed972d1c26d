#include "codegen/lines.h"

#include <dlfcn.h>

#include "codegen/backend.h"

namespace etch::codegen {

std::optional<CodeLine> line_of_return(const void* address, std::string_view not_in) {
  Dl_info object;
  if (dladdr(address, &object) == 0 || object.dli_fname == nullptr) return std::nullopt;
  const auto* base = static_cast<const char*>(object.dli_fbase);
  // The call ends where it returns to.
  const auto offset = static_cast<uint64_t>(static_cast<const char*>(address) - base) - 1;
  CodeLine out;
  try {
    if (!llvm_module().locate(object.dli_fname, offset, not_in, out)) return std::nullopt;
  } catch (const UserError&) {  // no module
    return std::nullopt;
  }
  return out;
}

}  // namespace etch::codegen
