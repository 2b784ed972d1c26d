// HostTensor: what files give and take, before any device or runtime is involved.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/dtype.h"
#include "ir/support/error.h"
#include "runtime/io/bytes.h"
#include "runtime/io/limits.h"

namespace etch::runtime {

/// A dense tensor in host memory: row-major, little endian, bool stored as bytes 0 and 1, types
/// below one byte packed with the first element in the low bits. `bytes` starts at a multiple of
/// the element size and may be a part of a mapped file: copying a HostTensor copies no data.
struct HostTensor {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  Bytes bytes;

  /// Product of the sizes, 1 for rank 0. UserError when it passes 63 bits or a size is negative.
  int64_t numel() const;
  /// Bytes that dtype and shape ask for, whatever `bytes` holds.
  uint64_t nbytes() const;

  /// The elements as T; UserError when the dtype is another one.
  template <class T>
  std::span<const T> as() const {
    if (dtype != dtype_of<T>) fail_dtype(dtype_of<T>);
    check();
    return {reinterpret_cast<const T*>(bytes.data()), static_cast<size_t>(numel())};
  }

  /// UserError unless `bytes` has exactly nbytes() bytes at a suitable address.
  void check() const;

 private:
  [[noreturn]] void fail_dtype(DType asked) const;
};

/// Tensors by name, sorted.
using TensorMap = std::map<std::string, HostTensor, std::less<>>;

/// Bytes of a tensor; UserError naming the shape when the product overflows.
uint64_t tensor_nbytes(DType dtype, std::span<const int64_t> shape);

/// A tensor with a copy of `values` in row-major order; their count must match the shape.
HostTensor make_host_tensor(DType dtype, std::vector<int64_t> shape,
                            std::span<const std::byte> values);
template <class T>
HostTensor make_host_tensor(std::vector<int64_t> shape, std::span<const T> values) {
  return make_host_tensor(dtype_of<T>, std::move(shape), std::as_bytes(values));
}

/// The one place where stored bytes become a tensor: sizes must agree exactly, misaligned data is
/// copied, bool bytes other than 0 and 1 become 1. `where` names file and tensor in errors.
HostTensor tensor_from_stored(DType dtype, std::vector<int64_t> shape, const Bytes& stored,
                              std::string_view tag, std::string_view where, const IoLimits& limits);

/// Whether two tensors have the same dtype, shape and bytes.
bool same_bits(const HostTensor& a, const HostTensor& b);

}  // namespace etch::runtime
