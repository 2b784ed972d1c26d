// Read-only bytes that keep their owner alive, and the places bytes are written to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace etch::runtime {

/// A view of bytes plus a share in whatever owns them: a heap block, a file mapping, a tensor.
/// Copying a Bytes never copies the data.
class Bytes {
 public:
  /// Memory that etch allocates for data starts at a multiple of this many bytes.
  static constexpr size_t kAlignment = 64;

  Bytes() = default;
  Bytes(std::shared_ptr<const void> owner, std::span<const std::byte> view)
      : owner_(std::move(owner)), view_(view) {}

  /// An aligned copy. UserError (Unavailable) when memory is short.
  static Bytes copy(std::span<const std::byte> from);
  static Bytes copy(std::string_view from);
  /// Without a copy: the string becomes the owner.
  static Bytes take(std::string from);
  /// Without an owner: the caller keeps the data alive.
  static Bytes borrow(std::span<const std::byte> view) { return Bytes(nullptr, view); }

  const std::byte* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  std::span<const std::byte> span() const { return view_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(view_.data()), view_.size()};
  }
  /// A part with the same owner; InternalError when out of range.
  Bytes sub(uint64_t offset, uint64_t size) const;
  bool aligned_to(size_t alignment) const {
    return reinterpret_cast<uintptr_t>(view_.data()) % alignment == 0;
  }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
};

/// Fresh aligned memory to fill, then to seal into Bytes. The content is not set before.
class ByteBuffer {
 public:
  /// UserError (Unavailable) when memory is short.
  explicit ByteBuffer(uint64_t size);
  std::byte* data() { return data_.get(); }
  size_t size() const { return size_; }
  std::span<std::byte> span() { return {data_.get(), size_}; }
  Bytes seal() && { return Bytes(data_, {data_.get(), size_}); }

 private:
  std::shared_ptr<std::byte> data_;
  size_t size_ = 0;
};

/// Somewhere that takes bytes in order.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(std::span<const std::byte> bytes) = 0;
  void write(std::string_view text) {
    write(std::as_bytes(std::span<const char>(text.data(), text.size())));
  }
};

/// Collects what is written in memory.
class MemorySink final : public Sink {
 public:
  using Sink::write;
  void write(std::span<const std::byte> bytes) override {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  Bytes finish() && { return Bytes::take(std::move(text_)); }

 private:
  std::string text_;
};

}  // namespace etch::runtime
