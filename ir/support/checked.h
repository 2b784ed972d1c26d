// 64-bit size arithmetic that reports overflow instead of wrapping.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "ir/dtype.h"

namespace etch {

constexpr std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  if (b > std::numeric_limits<uint64_t>::max() - a) return std::nullopt;
  return a + b;
}

constexpr std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  if (a != 0 && b > std::numeric_limits<uint64_t>::max() / a) return std::nullopt;
  return a * b;
}

/// `value` rounded up to a multiple of `alignment`, a power of two.
constexpr std::optional<uint64_t> checked_align(uint64_t value, uint64_t alignment) {
  std::optional<uint64_t> sum = checked_add(value, alignment - 1);
  if (sum) *sum &= ~(alignment - 1);
  return sum;
}

/// Product of the sizes; nullopt when a size is negative or when the product of the non-zero
/// sizes passes 2^63 - 1. A zero size does not excuse the others: their strides are computed too.
constexpr std::optional<int64_t> checked_numel(std::span<const int64_t> shape) {
  uint64_t product = 1;
  bool empty = false;
  for (int64_t d : shape) {
    if (d < 0) return std::nullopt;
    if (d == 0) {
      empty = true;
      continue;
    }
    std::optional<uint64_t> next = checked_mul(product, static_cast<uint64_t>(d));
    if (!next || *next > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return std::nullopt;
    }
    product = *next;
  }
  return empty ? 0 : static_cast<int64_t>(product);
}

/// Bytes of a dense tensor, types below one byte packed and the last byte filled up.
constexpr std::optional<uint64_t> checked_nbytes(DType dtype, std::span<const int64_t> shape) {
  std::optional<int64_t> numel = checked_numel(shape);
  if (!numel) return std::nullopt;
  uint64_t count = static_cast<uint64_t>(*numel);
  if (bits(dtype) % 8 != 0) {
    std::optional<uint64_t> total = checked_mul(count, static_cast<uint64_t>(bits(dtype)));
    if (!total) return std::nullopt;
    return *total / 8 + (*total % 8 != 0 ? 1 : 0);
  }
  return checked_mul(count, itemsize(dtype));
}

}  // namespace etch
