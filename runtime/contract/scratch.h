// Temporary memory of kernels: a 64-byte aligned buffer that only grows.
#pragma once

#include <cstddef>
#include <memory>

namespace etch::runtime::contract {

/// Owns a grow-only buffer, or borrows one from a planned arena and falls back to its own when that
/// is too small. Contents do not survive get(). Not thread-safe: one per caller.
class Scratch {
 public:
  static constexpr size_t kAlign = 64;

  Scratch() = default;
  /// Borrows `bytes` at `memory`, aligned to kAlign.
  Scratch(void* memory, size_t bytes) : data_(memory), bytes_(bytes) {}

  /// At least `bytes` at a multiple of kAlign, valid until the next get(). Throws std::bad_alloc.
  void* get(size_t bytes);
  size_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  void* data_ = nullptr;
  size_t bytes_ = 0;
  std::unique_ptr<void, Free> owned_;
};

}  // namespace etch::runtime::contract
