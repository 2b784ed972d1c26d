#include "runtime/io/reader.h"

#include <cstring>

#include "ir/support/error.h"

namespace etch::runtime {

Reader::Reader(std::span<const std::byte> bytes, std::string_view path, std::string_view tag,
               uint64_t base)
    : bytes_(bytes),
      origin_(std::make_shared<Origin>(Origin{std::string(path), std::string(tag)})),
      base_(base) {}

void Reader::fail(const std::string& what, std::string_view hint) const {
  fail_at(position_, what, hint);
}

void Reader::fail_at(uint64_t position, const std::string& what, std::string_view hint) const {
  fail_file(origin_->tag, cat(origin_->path, " (byte ", base_ + position, ")"), what, hint);
}

void Reader::need(uint64_t count, std::string_view what) const {
  if (count <= remaining()) return;
  fail(cat(what, " needs ", count, " bytes, ", remaining(), " are left"),
       "The file is cut short or damaged");
}

template <class T>
T Reader::number(std::string_view what) {
  need(sizeof(T), what);
  T value;
  std::memcpy(&value, bytes_.data() + position_, sizeof(T));
  position_ += sizeof(T);
  return value;
}

uint8_t Reader::u8(std::string_view what) { return number<uint8_t>(what); }
uint16_t Reader::u16(std::string_view what) { return number<uint16_t>(what); }
uint32_t Reader::u32(std::string_view what) { return number<uint32_t>(what); }
uint64_t Reader::u64(std::string_view what) { return number<uint64_t>(what); }
int64_t Reader::i64(std::string_view what) { return number<int64_t>(what); }

uint64_t Reader::varint(std::string_view what) {
  const uint64_t start = position_;
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    uint64_t byte = u8(what);
    if (shift == 63 && byte > 1) fail_at(start, cat(what, " does not fit 64 bits"));
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    if (byte == 0 && shift != 0) fail_at(start, cat(what, " is spelled longer than needed"));
    return value;
  }
}

std::span<const std::byte> Reader::bytes(uint64_t count, std::string_view what) {
  need(count, what);
  std::span<const std::byte> part = bytes_.subspan(position_, count);
  position_ += count;
  return part;
}

std::string_view Reader::string(uint64_t count, std::string_view what) {
  std::span<const std::byte> part = bytes(count, what);
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

std::string_view Reader::var_string(uint64_t max_bytes, std::string_view what) {
  const uint64_t start = position_;
  uint64_t length = varint(what);
  if (length > max_bytes) {
    fail_at(start, cat(what, " has ", length, " bytes, the limit is ", max_bytes));
  }
  return string(length, what);
}

uint64_t Reader::count(uint64_t min_entry_bytes, std::string_view what) {
  const uint64_t start = position_;
  uint64_t n = varint(what);
  invariant(min_entry_bytes > 0, "an entry takes at least one byte");
  if (n > remaining() / min_entry_bytes) {
    fail_at(start, cat(what, " is ", n, ", but the rest of the file holds at most ",
                       remaining() / min_entry_bytes));
  }
  return n;
}

void Reader::skip(uint64_t count, std::string_view what) {
  need(count, what);
  position_ += count;
}

void Reader::seek(uint64_t position) {
  if (position > bytes_.size()) {
    fail(cat("points at byte ", base_ + position, ", the data ends at ", base_ + bytes_.size()));
  }
  position_ = position;
}

void Reader::align(uint64_t alignment) {
  while (position_ % alignment != 0) {
    uint64_t at = position_;
    if (u8("padding") != 0) fail_at(at, "padding is not zero");
  }
}

void Reader::expect_end(std::string_view what) {
  if (!at_end()) fail(cat(remaining(), " bytes follow ", what));
}

Reader Reader::sub(uint64_t count, std::string_view what) {
  uint64_t start = position_;
  return Reader(bytes(count, what), origin_, base_ + start);
}

Reader Reader::range(uint64_t offset, uint64_t count, std::string_view what) const {
  if (offset > bytes_.size() || count > bytes_.size() - offset) {
    fail(
        cat(what, " lies at [", offset, ", +", count, "), the data has ", bytes_.size(), " bytes"));
  }
  return Reader(bytes_.subspan(offset, count), origin_, base_ + offset);
}

std::string in_quotes(std::string_view text) {
  constexpr size_t kMost = 80;
  std::string out = "\"";
  for (char c : text.substr(0, kMost)) {
    auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u >= 0x20 && u < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += "0123456789abcdef"[u >> 4];
      out += "0123456789abcdef"[u & 15];
    }
  }
  out += text.size() > kMost ? "...\"" : "\"";
  return out;
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < length) return false;
    uint32_t code = lead & (0xffu >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    constexpr uint32_t kLeast[5] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < kLeast[length] || code > 0x10ffff || surrogate) return false;
    i += length;
  }
  return true;
}

void ByteWriter::varint(uint64_t v) {
  for (; v >= 128; v >>= 7) u8(static_cast<uint8_t>(v & 127) | 128);
  u8(static_cast<uint8_t>(v));
}

}  // namespace etch::runtime
