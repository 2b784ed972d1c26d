// Content hashes: XXH3, fast and stable across machines, not meant against forgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace etch {

/// A 128-bit content hash. The text form is 32 hex digits, high half first.
struct Hash128 {
  uint64_t lo = 0;
  uint64_t hi = 0;

  bool operator==(const Hash128&) const = default;
  auto operator<=>(const Hash128&) const = default;

  std::string to_hex() const;
  /// nullopt unless `text` is exactly 32 lower-case hex digits.
  static std::optional<Hash128> from_hex(std::string_view text);
};

Hash128 hash128(std::span<const std::byte> bytes);
Hash128 hash128(std::string_view text);
uint64_t hash64(std::span<const std::byte> bytes);
uint64_t hash64(std::string_view text);

/// Hashes bytes given piece by piece: the digest equals that of all pieces joined.
class Hasher {
 public:
  Hasher();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// The eight bytes of `value`, little endian.
  void update_u64(uint64_t value);
  /// The length, then the text, so that neighbouring strings do not run together.
  void update_string(std::string_view text);

  Hash128 digest128() const;
  uint64_t digest64() const;

 private:
  static constexpr size_t kStateBytes = 576;
  alignas(64) std::byte state_[kStateBytes];
};

}  // namespace etch

template <>
struct std::hash<etch::Hash128> {
  size_t operator()(const etch::Hash128& h) const noexcept { return static_cast<size_t>(h.lo); }
};
