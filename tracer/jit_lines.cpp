#include "tracer/jit_lines.h"

#include <mutex>
#include <unordered_set>

#include "codegen/lines.h"
#include "ir/conversion.h"

namespace etch::tracer {

SourceLoc conversion_line() {
  if (converting_at() == nullptr) return {};
  const auto found = codegen::line_of_return(converting_at(), "ir/dim.h");
  if (!found) return {};
  // Lines of messages hold the names of files by address.
  static std::mutex mutex;
  static auto* const files = new std::unordered_set<std::string>;
  std::scoped_lock lock(mutex);
  return {files->insert(found->file).first->c_str(), found->line};
}

}  // namespace etch::tracer
