// From the ways in which ONNX stores tensors and names to plain memory.
#pragma once

#include <cstring>

#include "ir/dtype.h"
#include "onnx_export/model.h"

namespace etch::onnx {

/// UTF-8 without NUL and overlong forms.
inline bool is_utf8_name(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    auto c = static_cast<unsigned char>(s[i]);
    size_t extra = 9;
    if (c < 0x80)
      extra = 0;
    else if (c >= 0xc2 && c < 0xe0)
      extra = 1;
    else if (c >= 0xe0 && c < 0xf0)
      extra = 2;
    else if (c >= 0xf0 && c < 0xf5)
      extra = 3;
    if (c == 0 || i + extra >= s.size()) return false;
    for (size_t k = 1; k <= extra; ++k) {
      if ((static_cast<unsigned char>(s[i + k]) & 0xc0) != 0x80) return false;
    }
    i += extra + 1;
  }
  return true;
}

/// Takes raw bytes: in place when `owner` keeps them and they are aligned, else copied.
inline void keep_bytes(TensorModel& t, std::span<const std::byte> raw,
                       const std::shared_ptr<const void>& owner) {
  if (owner && reinterpret_cast<uintptr_t>(raw.data()) % 16 == 0) {
    t.data = std::shared_ptr<const void>(owner, raw.data());
    return;
  }
  auto copy = std::shared_ptr<char[]>(new char[raw.size() + 1]);
  if (!raw.empty()) std::memcpy(copy.get(), raw.data(), raw.size());
  t.data = std::shared_ptr<const void>(copy, copy.get());
}

/// Entries of a repeated field: 4-bit types store two elements in one, complex numbers take two.
inline size_t stored_entries(DType dtype, size_t count) {
  if (bits(dtype) == 4) return (count + 1) / 2;
  return dtype == DType::C64 || dtype == DType::C128 ? count * 2 : count;
}

/// Packs the low bytes of every entry; `entries` of them fill t.bytes.
template <class List>
void keep_entries(TensorModel& t, const List& list, size_t entries) {
  size_t step = entries == 0 ? 0 : t.bytes / entries;
  auto data = std::shared_ptr<char[]>(new char[t.bytes + 1]);
  char* at = data.get();
  for (auto v : list) {
    std::memcpy(at, &v, step);
    at += step;
  }
  t.data = std::shared_ptr<const void>(data, data.get());
}

}  // namespace etch::onnx
