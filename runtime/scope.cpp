#include "etch/scope.h"

namespace etch {

namespace {
thread_local std::string path;
}

Scope::Scope(std::string_view name) : before_(path.size()) {
  if (name.empty()) return;
  if (!path.empty()) path += '.';
  path += name;
}
Scope::~Scope() { path.resize(before_); }
const std::string& current_scope() { return path; }

}  // namespace etch
