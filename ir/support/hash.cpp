#include "ir/support/hash.h"

#include <bit>
#include <new>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace etch {

static_assert(std::endian::native == std::endian::little, "stored hashes assume little endian");

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<uint64_t> parse_hex64(std::string_view text) {
  uint64_t value = 0;
  for (char c : text) {
    int digit = hex_digit(c);
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  return value;
}

void append_hex64(std::string& out, uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15];
}

Hash128 from_xxh(const XXH128_hash_t& h) { return Hash128{h.low64, h.high64}; }

XXH3_state_t* as_state(std::byte* p) { return std::launder(reinterpret_cast<XXH3_state_t*>(p)); }
const XXH3_state_t* as_state(const std::byte* p) {
  return std::launder(reinterpret_cast<const XXH3_state_t*>(p));
}

}  // namespace

std::string Hash128::to_hex() const {
  std::string out;
  append_hex64(out, hi);
  append_hex64(out, lo);
  return out;
}

std::optional<Hash128> Hash128::from_hex(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  std::optional<uint64_t> high = parse_hex64(text.substr(0, 16));
  std::optional<uint64_t> low = parse_hex64(text.substr(16));
  if (!high || !low) return std::nullopt;
  return Hash128{*low, *high};
}

Hash128 hash128(std::span<const std::byte> bytes) {
  return from_xxh(XXH3_128bits(bytes.data(), bytes.size()));
}
Hash128 hash128(std::string_view text) { return from_xxh(XXH3_128bits(text.data(), text.size())); }
uint64_t hash64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}
uint64_t hash64(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

Hasher::Hasher() {
  static_assert(sizeof(XXH3_state_t) <= kStateBytes && alignof(XXH3_state_t) <= 64);
  // The 64- and 128-bit digests share one state; only the last step differs.
  XXH3_128bits_reset(new (state_) XXH3_state_t);
}

void Hasher::update(std::span<const std::byte> bytes) {
  if (!bytes.empty()) XXH3_128bits_update(as_state(state_), bytes.data(), bytes.size());
}
void Hasher::update(std::string_view text) {
  update(std::as_bytes(std::span<const char>(text.data(), text.size())));
}
void Hasher::update_u64(uint64_t value) { update(std::as_bytes(std::span(&value, 1))); }
void Hasher::update_string(std::string_view text) {
  update_u64(text.size());
  update(text);
}

Hash128 Hasher::digest128() const { return from_xxh(XXH3_128bits_digest(as_state(state_))); }
uint64_t Hasher::digest64() const { return XXH3_64bits_digest(as_state(state_)); }

}  // namespace etch
