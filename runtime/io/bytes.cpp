#include "runtime/io/bytes.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "ir/support/error.h"

namespace etch::runtime {

namespace {

[[noreturn]] void fail_memory(uint64_t size) {
  throw UserError(cat("[memory] cannot get ", size, " bytes of memory. Free some, or read the ",
                      "file by mapping it"),
                  ErrorKind::Unavailable);
}

std::shared_ptr<std::byte> allocate(uint64_t size) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max() - Bytes::kAlignment;
  if (size > kMost) fail_memory(size);
  // aligned_alloc wants a multiple of the alignment; an empty tensor still gets a valid address.
  size_t rounded = (static_cast<size_t>(size) + Bytes::kAlignment) & ~(Bytes::kAlignment - 1);
  auto* p = static_cast<std::byte*>(std::aligned_alloc(Bytes::kAlignment, rounded));
  if (p == nullptr) fail_memory(size);
  return std::shared_ptr<std::byte>(p, [](std::byte* q) { std::free(q); });
}

}  // namespace

ByteBuffer::ByteBuffer(uint64_t size) : data_(allocate(size)), size_(static_cast<size_t>(size)) {}

Bytes Bytes::copy(std::span<const std::byte> from) {
  std::shared_ptr<std::byte> to = allocate(from.size());
  if (!from.empty()) std::memcpy(to.get(), from.data(), from.size());
  std::span<const std::byte> view(to.get(), from.size());
  return Bytes(std::move(to), view);
}

Bytes Bytes::copy(std::string_view from) {
  return copy(std::as_bytes(std::span<const char>(from.data(), from.size())));
}

Bytes Bytes::take(std::string from) {
  auto owner = std::make_shared<const std::string>(std::move(from));
  std::span<const std::byte> view = std::as_bytes(std::span<const char>(*owner));
  return Bytes(std::move(owner), view);
}

Bytes Bytes::sub(uint64_t offset, uint64_t size) const {
  invariant(offset <= view_.size() && size <= view_.size() - offset, "part within the bytes");
  return Bytes(owner_, view_.subspan(static_cast<size_t>(offset), static_cast<size_t>(size)));
}

}  // namespace etch::runtime
