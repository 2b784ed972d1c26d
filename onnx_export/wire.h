// Protobuf's wire format, one field at a time, bounds-checked.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace etch::onnx {

enum class WireType : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::Varint;
  uint64_t value = 0;                  // Varint
  std::span<const std::byte> bytes;    // Bytes
  std::span<const std::byte> encoded;  // the whole field with its tag
};

/// Walks the fields of one message.
class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }
  /// False when the bytes are not a field; groups, which ONNX never had, count as malformed.
  bool next(WireField& f) {
    std::span<const std::byte> start = rest_;
    uint64_t tag = 0;
    if (!varint(tag) || (tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) return false;
    f.number = static_cast<uint32_t>(tag >> 3);
    f.type = static_cast<WireType>(tag & 7);
    f.value = 0;
    f.bytes = {};
    size_t size = 0;
    switch (f.type) {
      case WireType::Varint:
        if (!varint(f.value)) return false;
        break;
      case WireType::Fixed64:
        size = 8;
        break;
      case WireType::Fixed32:
        size = 4;
        break;
      case WireType::Bytes: {
        uint64_t length = 0;
        if (!varint(length) || length > rest_.size()) return false;
        size = static_cast<size_t>(length);
        break;
      }
      default:
        return false;
    }
    if (size > rest_.size()) return false;
    f.bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    f.encoded = start.first(start.size() - rest_.size());
    return true;
  }

 private:
  bool varint(uint64_t& out) {
    out = 0;
    for (size_t i = 0; i < 10 && i < rest_.size(); ++i) {
      auto b = static_cast<uint64_t>(rest_[i]);
      out |= (b & 0x7f) << (7 * i);
      if (b < 0x80) {
        rest_ = rest_.subspan(i + 1);
        return i < 9 || b < 2;
      }
    }
    return false;
  }

  std::span<const std::byte> rest_;
};

inline void append_varint(std::string& out, uint64_t v) {
  for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
  out += static_cast<char>(v);
}
inline size_t varint_size(uint64_t v) {
  size_t n = 1;
  for (; v >= 0x80; v >>= 7) ++n;
  return n;
}
/// Tag and length of a length-delimited field.
inline void append_bytes_header(std::string& out, uint32_t field, uint64_t length) {
  append_varint(out, (uint64_t{field} << 3) | 2);
  append_varint(out, length);
}

}  // namespace etch::onnx
