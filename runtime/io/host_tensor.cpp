#include "runtime/io/host_tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ir/support/checked.h"

namespace etch::runtime {

static_assert(std::endian::native == std::endian::little, "stored data is little endian");

namespace {

size_t alignment_of(DType dtype) {
  // Complex numbers align as their parts.
  if (info(dtype).cls == DClass::Complex) return itemsize(dtype) / 2;
  return std::max<size_t>(1, itemsize(dtype));
}

/// Data of a bool tensor with every byte 0 or 1: C++ may not see any other value.
Bytes clean_bools(const Bytes& stored) {
  auto is_clean = [](std::byte b) { return b <= std::byte{1}; };
  if (std::all_of(stored.span().begin(), stored.span().end(), is_clean)) return stored;
  ByteBuffer clean(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    clean.data()[i] = stored.data()[i] == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  return std::move(clean).seal();
}

}  // namespace

uint64_t tensor_nbytes(DType dtype, std::span<const int64_t> shape) {
  std::optional<uint64_t> size = checked_nbytes(dtype, shape);
  if (!size) {
    fail("tensor", cat("no memory can hold a ", dtype, " tensor of shape ", shape),
         "Sizes are 0 or more and their product fits 63 bits");
  }
  return *size;
}

int64_t HostTensor::numel() const {
  tensor_nbytes(dtype, shape);
  return *checked_numel(shape);
}

uint64_t HostTensor::nbytes() const { return tensor_nbytes(dtype, shape); }

void HostTensor::check() const {
  if (bytes.size() != nbytes()) {
    fail("tensor", cat("a ", dtype, " tensor of shape ", shape, " needs ", nbytes(),
                       " bytes, its data has ", bytes.size()));
  }
  if (!bytes.aligned_to(alignment_of(dtype))) {
    fail("tensor",
         cat("the data of a ", dtype, " tensor is not aligned to ", alignment_of(dtype), " bytes"));
  }
}

void HostTensor::fail_dtype(DType asked) const {
  fail("tensor", cat("the elements are ", dtype, ", asked for as ", asked));
}

HostTensor make_host_tensor(DType dtype, std::vector<int64_t> shape,
                            std::span<const std::byte> values) {
  HostTensor t{dtype, std::move(shape), Bytes::copy(values)};
  t.check();
  return t;
}

HostTensor tensor_from_stored(DType dtype, std::vector<int64_t> shape, const Bytes& stored,
                              std::string_view tag, std::string_view where,
                              const IoLimits& limits) {
  if (shape.size() > limits.max_rank) {
    fail_file(tag, where, cat("rank ", shape.size(), ", the limit is ", limits.max_rank));
  }
  std::optional<uint64_t> size = checked_nbytes(dtype, shape);
  if (!size || *size > limits.max_tensor_bytes) {
    fail_file(tag, where,
              cat("a ", dtype, " tensor of shape ", shape, " is beyond the limit of ",
                  limits.max_tensor_bytes, " bytes"));
  }
  if (*size != stored.size()) {
    fail_file(tag, where,
              cat("a ", dtype, " tensor of shape ", shape, " needs ", *size,
                  " bytes, the file has ", stored.size()));
  }
  HostTensor t{dtype, std::move(shape), stored};
  if (dtype == DType::Bool) t.bytes = clean_bools(stored);
  if (!t.bytes.aligned_to(alignment_of(dtype))) t.bytes = Bytes::copy(t.bytes.span());
  return t;
}

bool same_bits(const HostTensor& a, const HostTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::ranges::equal(a.bytes.span(), b.bytes.span());
}

}  // namespace etch::runtime
