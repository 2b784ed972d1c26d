// Names for what runs: modules open one per call, users may too. Scopes reach graphs, kernels and
// errors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace etch {

/// Names what runs while it is alive: "encoder" inside "net" is "net.encoder".
class Scope {
 public:
  explicit Scope(std::string_view name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  size_t before_;
};
/// This thread's scope path.
const std::string& current_scope();

}  // namespace etch
