// Loads relocatable ELF objects of self-contained code: what JIT, disk cache and artifacts share.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace etch::codegen {

/// Code and constants of one object in memory: text readable and executable, constants readable,
/// nothing writable. Unmapped on destruction.
class MappedObject {
 public:
  /// Checks every offset. Throws UserError (Unreadable) for a damaged object or one that needs any
  /// outside symbol, (Unavailable) when the system refuses executable memory.
  explicit MappedObject(std::string_view elf);
  MappedObject(const MappedObject&) = delete;
  MappedObject& operator=(const MappedObject&) = delete;
  ~MappedObject();

  /// Address of a global function; nullptr when there is none of that name.
  void* find(std::string_view symbol) const;

 private:
  struct Symbol {
    std::string name;
    void* address;
  };
  std::byte* base_ = nullptr;
  size_t size_ = 0;
  std::vector<Symbol> symbols_;
};

}  // namespace etch::codegen
