// The one bounds-checked way to take numbers and strings out of stored bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace etch::runtime {

/// Reads little-endian data from front to back. Every failure is a UserError (Unreadable) that
/// names the file and the byte offset in it; nothing is read past the end.
class Reader {
 public:
  /// `tag` names the format and `path` the file in messages; `base` is the offset of the first
  /// byte of `bytes` in that file. The caller keeps `bytes` alive.
  Reader(std::span<const std::byte> bytes, std::string_view path, std::string_view tag,
         uint64_t base = 0);

  /// Offset of the next byte, counted from the start of this reader.
  uint64_t position() const { return position_; }
  uint64_t size() const { return bytes_.size(); }
  uint64_t remaining() const { return bytes_.size() - position_; }
  bool at_end() const { return remaining() == 0; }

  uint8_t u8(std::string_view what = "a byte");
  uint16_t u16(std::string_view what = "a 16-bit number");
  uint32_t u32(std::string_view what = "a 32-bit number");
  uint64_t u64(std::string_view what = "a 64-bit number");
  int64_t i64(std::string_view what = "a 64-bit number");
  /// LEB128 with at most ten bytes; a longer spelling than needed is refused.
  uint64_t varint(std::string_view what = "a variable-length number");

  std::span<const std::byte> bytes(uint64_t count, std::string_view what = "data");
  std::string_view string(uint64_t count, std::string_view what = "text");
  /// A varint length of at most `max_bytes`, then that many bytes.
  std::string_view var_string(uint64_t max_bytes, std::string_view what = "text");
  /// A varint count of entries that take at least `min_entry_bytes` (> 0) each: refused when the
  /// rest of the file cannot hold them, so that reserving for it is safe.
  uint64_t count(uint64_t min_entry_bytes, std::string_view what = "a count");

  void skip(uint64_t count, std::string_view what = "data");
  void seek(uint64_t position);
  /// Skips zero bytes up to the next multiple of `alignment`, counted from the reader's start.
  void align(uint64_t alignment);
  void expect_end(std::string_view what = "the data");
  /// Takes the next `count` bytes as a reader of their own.
  Reader sub(uint64_t count, std::string_view what = "data");
  /// A reader of the range [offset, offset + count) of this one; the position stays.
  Reader range(uint64_t offset, uint64_t count, std::string_view what = "data") const;

  /// Fails at the next byte, or at `position` of this reader.
  [[noreturn]] void fail(const std::string& what, std::string_view hint = "") const;
  [[noreturn]] void fail_at(uint64_t position, const std::string& what,
                            std::string_view hint = "") const;

 private:
  struct Origin {
    std::string path;
    std::string tag;
  };
  Reader(std::span<const std::byte> bytes, std::shared_ptr<const Origin> origin, uint64_t base)
      : bytes_(bytes), origin_(std::move(origin)), base_(base) {}
  void need(uint64_t count, std::string_view what) const;
  template <class T>
  T number(std::string_view what);

  std::span<const std::byte> bytes_;
  std::shared_ptr<const Origin> origin_;
  uint64_t base_ = 0;
  uint64_t position_ = 0;
};

/// `text` in double quotes, cut to 80 bytes, with everything but printable ASCII escaped: text
/// from a file cannot steer the terminal that shows the message.
std::string in_quotes(std::string_view text);

/// Whether `text` is well-formed UTF-8: no overlong forms, surrogates or values past U+10FFFF.
bool is_utf8(std::string_view text);

/// Appends little-endian numbers and strings: the other half of Reader.
class ByteWriter {
 public:
  void u8(uint8_t v) { out_ += static_cast<char>(v); }
  void u16(uint16_t v) { number(v, 2); }
  void u32(uint32_t v) { number(v, 4); }
  void u64(uint64_t v) { number(v, 8); }
  void i64(int64_t v) { number(static_cast<uint64_t>(v), 8); }
  void varint(uint64_t v);
  void bytes(std::span<const std::byte> b) {
    out_.append(reinterpret_cast<const char*>(b.data()), b.size());
  }
  void string(std::string_view s) { out_ += s; }
  void var_string(std::string_view s) {
    varint(s.size());
    out_ += s;
  }
  /// Zero bytes up to the next multiple of `alignment`.
  void align(uint64_t alignment) {
    while (out_.size() % alignment != 0) out_ += '\0';
  }
  size_t size() const { return out_.size(); }
  const std::string& text() const { return out_; }
  std::string finish() && { return std::move(out_); }

 private:
  void number(uint64_t v, int count) {
    for (int i = 0; i < count; ++i) out_ += static_cast<char>(v >> (8 * i) & 255);
  }
  std::string out_;
};

}  // namespace etch::runtime
